/** Rows out of nothing: a source whose rows have an id and no columns. */
import type { InputRow, RowSource } from "./row-source.ts";

const CHUNK_ROWS = 256;
/** About what a row without columns takes in its shard's batch; it only decides where a shard is cut by bytes. */
const ROW_BYTES = 8;

/**
 * A source without end, which the job's limit ends: like a file's, its rows stay where they are when the limit is
 * raised, and a shard is read again whatever the limit is now. A row's offset is its id.
 */
export function generatedRows(): RowSource {
  return {
    files: [],
    schema: [],
    estimateRows: () => Infinity,
    entries: () => Promise.resolve({ kind: "blocks", blocks: [{ file: 0, at: 0, rows: Infinity }] }),
    async *rows(from, signal) {
      for (let first = (from?.at ?? 0) + (from?.skip ?? 0); ; first += CHUNK_ROWS) {
        signal.throwIfAborted();
        yield Array.from({ length: CHUNK_ROWS }, (_, index): InputRow => rowAt(first + index));
      }
    },
  };
}

function rowAt(at: number): InputRow {
  return { values: {}, fault: null, offset: { file: 0, at, skip: 0 }, bytes: ROW_BYTES };
}
