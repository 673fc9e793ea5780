import { isTidingError, messageOf } from "../shared/errors.ts";
import { isAbort } from "./exit-codes.ts";
import type { Look } from "./text.ts";
import { paint, plainLines } from "./text.ts";

export interface ErrorDescription {
  readonly code: string;
  readonly message: string;
  readonly place: string | null;
  readonly mend: string | null;
}

/** What people and programs are told of an error; `--json` prints it as `{"error": …}`. */
export function describeError(error: unknown): ErrorDescription {
  if (isTidingError(error)) {
    return { code: error.code, message: error.message, place: error.place ?? null, mend: error.mend ?? null };
  }
  if (isAbort(error)) {
    return { code: "INTERRUPTED", message: "Interrupted.", place: null, mend: "The same command again carries on." };
  }
  return {
    code: "INTERNAL",
    message: messageOf(error),
    place: null,
    mend: "This was not foreseen. With TIDING_DEBUG=1 the same command shows where it happened.",
  };
}

/** An error as lines: what is wrong, where, and what to do. `debug` adds the stack. */
export function renderError(
  error: unknown,
  { look, debug }: { readonly look: Look; readonly debug: boolean },
): string[] {
  const lines = renderDescription(describeError(error), look);
  if (debug && error instanceof Error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      lines.push("", ...plainLines(cause.stack ?? cause.message).split("\n"));
    }
  }
  return lines;
}

/** The lines of an error that a job report carries, or of one that was thrown. */
export function renderDescription(error: ErrorDescription, look: Look): string[] {
  const lines = [
    `${paint(look, { text: "error", style: ["red", "bold"] })} ${paint(look, { text: error.code, style: "red" })}`,
  ];
  lines.push(...indented(error.message));
  if (error.place !== null) lines.push(...indented(error.place, "at: "));
  if (error.mend !== null) lines.push(...indented(error.mend, "mend: "));
  return lines;

  function indented(text: string, label = ""): string[] {
    const [first = "", ...rest] = plainLines(text).trim().split("\n");
    return [`  ${paint(look, { text: label, style: "dim" })}${first}`, ...rest.map((line) => `  ${line}`)];
  }
}
