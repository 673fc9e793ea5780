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
}
