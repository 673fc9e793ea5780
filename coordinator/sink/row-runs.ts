/** Row ids in file order, as runs: what tells them where a part has no metadata. */

/**
 * `count` consecutive row ids from `first` on, each with `rows` output rows that follow one another.
 * A file's rows are its runs one after the other: [7, 2, 3] is 7 7 7 8 8 8.
 */
export type Run = readonly [first: number, count: number, rows: number];

/** Row ids added in ascending order, as runs. */
export class RunBuilder {
  readonly #runs: [number, number, number][] = [];
  #rowId = -1;
  #rowsOfId = 0;
  rows = 0;
  rowIds = 0;

  add(rowId: number): void {
    this.rows += 1;
    if (rowId === this.#rowId) {
      this.#rowsOfId += 1;
      return;
    }
    this.#closeRow();
    this.#rowId = rowId;
    this.#rowsOfId = 1;
    this.rowIds += 1;
  }

  finish(): readonly Run[] {
    this.#closeRow();
    this.#rowsOfId = 0;
    return this.#runs;
  }

  #closeRow(): void {
    if (this.#rowsOfId === 0) return;
    const last = this.#runs.at(-1);
    if (last && last[0] + last[1] === this.#rowId && last[2] === this.#rowsOfId) last[1] += 1;
    else this.#runs.push([this.#rowId, 1, this.#rowsOfId]);
  }
}

/** The row id of each output row, in file order. */
export function* rowIdsOf(runs: readonly Run[]): Generator<number, void> {
  for (const [first, count, rows] of runs) {
    for (let rowId = first; rowId < first + count; rowId++) {
      for (let row = 0; row < rows; row++) yield rowId;
    }
  }
}
