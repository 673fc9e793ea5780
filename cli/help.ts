/** What every help text ends with, so that each of them teaches on its own. */
export interface Example {
  readonly command: string;
  readonly does: string;
}

export const EXIT_CODES_HELP = `Exit codes:
  0    all rows accepted
  1    the job stopped because of an error; the same command carries on
  2    the command, the spec or the input is wrong; nothing was started
  3    finished, with failed rows: see \`tiding retry\`
  4    parked, waiting for an offline batch; no command gives it yet
  130  interrupted; the same command carries on`;

/** The exit codes of a command that follows a job when it is told to. */
export function exitCodesOfFollowing(flag: string, otherwise: string): string {
  return `${EXIT_CODES_HELP}\nWithout ${flag}: 0 ${otherwise}, else 1 or 2 as above.`;
}

/** The text after a command's options: examples, then exit codes, then where to look next. */
export function helpEnd({
  examples,
  exitCodes,
  next,
}: {
  readonly examples: readonly Example[];
  readonly exitCodes: string;
  readonly next: string;
}): string {
  const shown = examples.map(({ command, does }) => `  # ${does}\n  $ ${command}`);
  return ["", "Examples:", ...shown, "", exitCodes, "", next].join("\n");
}

/** Of a command that serves until it is told to leave. */
export const SERVING_EXIT_CODES_HELP = `Exit codes:
  0    left its jobs whole
  1    it failed
  2    an option is wrong, or the broker refuses`;
