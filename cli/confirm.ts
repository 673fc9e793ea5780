import { createInterface } from "node:readline";
import { TidingError } from "../shared/errors.ts";
import type { CliContext } from "./terminal.ts";

/**
 * Asks who sits at the terminal; anything but `y` or `yes` is a no. With `yes` nobody is asked. Throws `USAGE` where nobody
 * can be asked, and the signal's reason.
 */
export async function confirm(
  { stdin, stderr }: Pick<CliContext, "stdin" | "stderr">,
  question: string,
  { yes, signal }: { readonly yes: boolean; readonly signal: AbortSignal },
): Promise<boolean> {
  if (yes) return true;
  if (stdin.isTTY !== true || stderr.isTTY !== true) {
    throw new TidingError("USAGE", `Nobody can be asked: ${question}`, { mend: "Add --yes to have it done unasked." });
  }
  stderr.write(`${question} [y/N] `);
  // The terminal keeps its own line editing, so that Ctrl-C is a signal here as it is everywhere else.
  const lines = createInterface({ input: stdin, terminal: false, signal });
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim());
  } finally {
    lines.close();
  }
  signal.throwIfAborted();
  return false;
}
