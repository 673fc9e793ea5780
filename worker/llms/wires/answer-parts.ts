/** What the answers of all wires have in common. */
import { TidingError } from "../../../shared/errors.ts";
import type { FinishReason } from "../../../shared/task/task.ts";
import type { ResponseContext, ServerResponse } from "../classify-response.ts";
import { rawResponse } from "../server-text.ts";

export function invalidAnswer(
  what: string,
  text: string,
  { context, cause }: { readonly context: ResponseContext; readonly cause?: unknown },
): TidingError {
  return new TidingError("RESPONSE_INVALID", `${context.endpoint} sent ${what}.`, {
    place: context.endpoint,
    details: { characters: text.length },
    rawResponse: rawResponse(text, context.secrets),
    cause,
  });
}

/** The JSON of an answer. Throws `RESPONSE_INVALID`. */
export function parsedAnswer(response: ServerResponse, context: ResponseContext): unknown {
  try {
    return JSON.parse(response.text);
  } catch (error) {
    throw invalidAnswer(notJson(response), response.text, { context, cause: error });
  }
}

/** What came in place of JSON, in words. */
export function notJson({ headers, text }: ServerResponse): string {
  if (text.trim() === "") return "an empty answer";
  const type = String(headers["content-type"] ?? "no content type").split(";", 1)[0];
  return /json/.test(type ?? "") ? "JSON that breaks off or is malformed" : `${type} where JSON was expected`;
}

export function finishReasonOf(finish: unknown): FinishReason | null {
  if (typeof finish !== "string" || finish === "") return null;
  // TGI does not translate its own reasons everywhere (router v3.3).
  return finish === "stop_sequence" || finish === "eos_token" ? "stop" : finish;
}

/** A count of OpenAI's `usage`; null where the server does not say. */
export function tokens(usage: unknown, key: "prompt_tokens" | "completion_tokens"): number | null {
  if (typeof usage !== "object" || usage === null) return null;
  const count = (usage as Record<string, unknown>)[key];
  return typeof count === "number" ? count : null;
}
