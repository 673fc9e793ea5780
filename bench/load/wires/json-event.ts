import type { Answer } from "../answer.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** The object of an event; null, and an error of the answer, where it is none. */
export function jsonEvent(data: string, answer: Answer): JsonObject | null {
  try {
    const event: unknown = JSON.parse(data);
    if (typeof event === "object" && event !== null) return event as JsonObject;
  } catch {
    // Torn or no JSON at all: told by the code below.
  }
  answer.fail("bad-event", null);
  return null;
}

/** A whole number from 0 on, or null. */
export function countOf(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
