/** One open stream over the input that can be moved to any shard's start; it re-opens only when it has to jump. */
import type { InputRow, RowSource, SourceOffset } from "./input/row-source.ts";

export class RowCursor implements AsyncDisposable {
  readonly #source: RowSource;
  readonly #signal: AbortSignal;
  #stream: AsyncIterator<readonly InputRow[]> | null = null;
  #chunk: readonly InputRow[] = [];
  #at = 0;
  #nextRow = 0;

  constructor(source: RowSource, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  /** `row_id` of the row that comes next. */
  get nextRow(): number {
    return this.#nextRow;
  }

  /** Moves to a row whose offset is known; null: to the input's first row. */
  async moveTo(row: number, offset: SourceOffset | null): Promise<void> {
    if (this.#stream !== null && this.#nextRow === row) return;
    await this[Symbol.asyncDispose]();
    this.#stream = this.#source.rows(offset, this.#signal)[Symbol.asyncIterator]();
    this.#nextRow = row;
  }

  /**
   * The next rows: up to `maxRows`, and no more than `maxBytes` unless a single row takes them; none once the input ended.
   */
  async take(maxRows: number, maxBytes: number): Promise<readonly InputRow[]> {
    const taken: InputRow[] = [];
    let bytes = 0;
    while (taken.length < maxRows) {
      const row = this.#chunk[this.#at];
      if (row === undefined) {
        if (!(await this.#nextChunk())) break;
        continue;
      }
      if (taken.length > 0 && bytes + row.bytes > maxBytes) break;
      taken.push(row);
      bytes += row.bytes;
      this.#at += 1;
    }
    this.#nextRow += taken.length;
    return taken;
  }

  async #nextChunk(): Promise<boolean> {
    const next = await this.#stream?.next();
    if (next === undefined || next.done === true) return false;
    this.#chunk = next.value;
    this.#at = 0;
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stream?.return?.();
    this.#stream = null;
    this.#chunk = [];
    this.#at = 0;
  }
}
