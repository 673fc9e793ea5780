/** When faults are due, by how far the job has come: they never end before it, and wait where it recovers. */
export class FaultMarks {
  readonly #marks: readonly number[];
  #done = 0;

  /** `count` marks over the first nine tenths of the rows. */
  constructor(rows: number, count: number, random: () => number) {
    this.#marks = Array.from({ length: count }, (_, index) => rows * (0.02 + (0.88 * (index + random())) / count));
  }

  get done(): number {
    return this.#done;
  }

  get isOver(): boolean {
    return this.#done >= this.#marks.length;
  }

  isDue(committed: number): boolean {
    return (this.#marks[this.#done] ?? Infinity) <= committed;
  }

  /** One happened, whether it was due or came by itself. */
  note(): void {
    this.#done += 1;
  }
}
