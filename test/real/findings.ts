import { isTidingError } from "../../shared/errors.ts";

/** What was found wrong, as sentences; the run goes on, so that one fault does not hide another. */
export class Findings {
  readonly problems: string[] = [];
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  expect(holds: boolean, otherwise: string): void {
    if (holds) return;
    this.problems.push(otherwise);
    this.#say(`WRONG: ${otherwise}`);
  }

  /** An error that ended the run, with its mend. */
  threw(error: unknown): void {
    const mend = isTidingError(error) ? ` ${error.mend ?? ""}` : "";
    this.expect(false, `${error instanceof Error ? error.message : String(error)}${mend}`);
  }
}
