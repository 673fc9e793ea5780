/** A part read row by row, in its order. */
import { TidingError, messageOf } from "../../shared/errors.ts";
import { type Zstd, loadZstd } from "../../shared/rows/zstd.ts";
import type { MergeSource, PartFormat } from "./part-file.ts";
import { openPartReader } from "./open-part.ts";
import type { PartReader, RowGroup, RowMetadata } from "./part-port.ts";
import { rowIdsOf } from "./row-runs.ts";
import { damagedPart } from "./source-file.ts";

/**
 * The row id of each row of a part, as its `tiding` struct tells them: of failed files, and of parts with metadata. Reads
 * on the caller's thread. Throws `OUTPUT_DAMAGED` when the part cannot be read or does not tell.
 */
export async function* readRowIds(path: string, format: PartFormat): AsyncGenerator<number, void> {
  const cursor = await PartCursor.open({ path, runs: null }, format, await loadZstd());
  if (cursor === null) return;
  try {
    do yield cursor.rowId;
    while (cursor.step() || (await cursor.load()));
  } finally {
    cursor.close();
  }
}

/** A place in a part: one of its rows. Memory holds that row's group. */
export class PartCursor {
  readonly source: MergeSource;
  readonly reader: PartReader;
  readonly #groups: AsyncIterator<RowGroup>;
  readonly #rowIds: Iterator<number, void> | null;
  #group: RowGroup = { rows: 0, bytes: 0, columns: [] };
  #metadata: readonly RowMetadata[] | null = null;
  #row = -1;
  rowId = -1;

  private constructor(source: MergeSource, reader: PartReader) {
    this.source = source;
    this.reader = reader;
    this.#groups = reader.groups()[Symbol.asyncIterator]();
    this.#rowIds = source.runs && rowIdsOf(source.runs);
  }

  /** At the source's first row; null when it has none. */
  static async open(source: MergeSource, format: PartFormat, zstd: Zstd): Promise<PartCursor | null> {
    const cursor = new PartCursor(source, await openPartReader(format, source.path, zstd));
    return (await cursor.load()) ? cursor : null;
  }

  get row(): readonly unknown[] {
    return this.#group.columns.map((column) => column[this.#row]);
  }

  get bytes(): number {
    return this.#group.bytes / this.#group.rows;
  }

  get metadata(): RowMetadata | null {
    return this.#metadata?.[this.#row] ?? null;
  }

  /** To the next row of the group; false at its end. */
  step(): boolean {
    if (this.#row + 1 >= this.#group.rows) return false;
    this.#row += 1;
    const rowId = Number(this.#rowIds ? this.#rowIds.next().value : this.metadata?.row_id);
    if (Number.isNaN(rowId)) throw damagedPart(this.source.path, "it does not tell the row ids of its rows");
    if (rowId < this.rowId) throw damagedPart(this.source.path, `row ${rowId} follows row ${this.rowId}`);
    this.rowId = rowId;
    return true;
  }

  /** To the first row of the next group; false, with the source closed, when there is none. */
  async load(): Promise<boolean> {
    try {
      for (;;) {
        const { done, value } = await this.#groups.next();
        if (done) break;
        this.#group = value;
        this.#metadata = this.#rowIds ? null : this.reader.metadata(value);
        this.#row = -1;
        if (this.step()) return true;
      }
      this.close();
      return false;
    } catch (error) {
      this.close();
      throw error instanceof TidingError ? error : damagedPart(this.source.path, messageOf(error), error);
    }
  }

  close(): void {
    this.reader.close();
  }
}
