/** A job's input as a stream of rows that can be entered again at any shard's start. */
import type { RowSchema, RowValues } from "../../shared/rows/row-schema.ts";

/**
 * Where a row starts. `at` is what the format can seek to (a byte for text, a row group for Parquet, a record batch
 * for an Arrow file, 0 for a compressed file), `skip` the rows to pass over from there.
 */
export interface SourceOffset {
  readonly file: number;
  readonly at: number;
  readonly skip: number;
}

export interface InputRow {
  /** By the names after mapping. Empty for a row that could not be read. */
  readonly values: RowValues;
  /** Why the row could not be read or does not fit the schema; such a row fails without a call. */
  readonly fault: { readonly message: string; readonly place: string; readonly raw: string } | null;
  readonly offset: SourceOffset;
  /** About how many bytes it takes. */
  readonly bytes: number;
}

export interface InputFile {
  readonly path: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  /** SHA-256 over size, head and tail, hex: a cheap sign that the content is the same. */
  readonly sample: string;
}

/** So many rows that lie together; entered at any of them by `{ file, at, skip }`. */
export interface RowBlock {
  readonly file: number;
  readonly at: number;
  readonly rows: number;
}

/**
 * How rows in the middle are reached without reading what comes before. `blocks`: all there are, in input order. `lines`: at
 * any byte; what comes first there may be the rest of a row, and what follows is whole.
 */
export type RowEntries = { readonly kind: "blocks"; readonly blocks: readonly RowBlock[] } | { readonly kind: "lines" };

export interface RowSource {
  readonly files: readonly InputFile[];
  /** After selection and mapping; frozen by the first run. */
  readonly schema: RowSchema;
  /** Rows of the whole input: as its files say, or by the share that lies before an offset; null where neither tells. */
  estimateRows(rowsBefore: number, offset: SourceOffset): number | null;
  /** Null where the middle is only reached by reading up to it. */
  entries(): Promise<RowEntries | null>;
  /** Rows in input order, in chunks, from an offset on (null: from the start). Bounded memory. */
  rows(from: SourceOffset | null, signal: AbortSignal): AsyncIterable<readonly InputRow[]>;
}
