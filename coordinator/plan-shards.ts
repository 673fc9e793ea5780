/**
 * Cuts the input into shards, and reads again those of an earlier run that are not landed.
 *
 * A shard ends after `shardRows` rows or at `shardBytes`, whichever comes first. Shards that are in the table are cut
 * exactly as they were; their digest must be the one that was recorded.
 */
import { createHash } from "node:crypto";
import { TidingError } from "../shared/errors.ts";
import { encodeRowBatch } from "../shared/rows/row-batch.ts";
import { inputBatchSchema, type InputFault } from "../shared/rows/input-batch.ts";
import type { RowSchema } from "../shared/rows/row-schema.ts";
import type { InputRow, RowSource } from "./input/row-source.ts";
import { RowCursor } from "./row-cursor.ts";
import type { ShardEntry, ShardTable } from "./shard-table.ts";

export interface PlannedShard {
  readonly entry: ShardEntry;
  readonly input: Uint8Array;
}

export interface PlanOptions {
  readonly source: RowSource;
  readonly table: ShardTable;
  readonly shardRows: number;
  readonly shardBytes: number;
  /** Rows of the input to pass over, and most rows to take; null: to the end. */
  readonly offset: number;
  readonly limit: number | null;
  /** Rows of the job where no shards are to be added to the table; null to plan on to the limit. */
  readonly known: number | null;
  /** Whether a shard of the table has rows that are still to be run. */
  readonly isNeeded: (shard: number) => boolean;
  /** Read landed shards too, because the input's files do not look as they did. */
  readonly verifyAll: boolean;
  readonly signal: AbortSignal;
}

/** Shards that have rows to run, in input order; ends at the input's end or the limit. Throws `INPUT_CHANGED`. */
export async function* planShards(options: PlanOptions): AsyncGenerator<PlannedShard, { readonly total: number }> {
  const { source, table, signal } = options;
  await using cursor = new RowCursor(source, signal);
  for (let shard = 0; shard < table.length; shard++) {
    const entry = table.get(shard);
    const needed = options.isNeeded(shard);
    if (entry === undefined || (!needed && !options.verifyAll)) continue;
    const input = await readPlanned(cursor, entry, source.schema);
    if (needed) yield { entry, input };
  }
  return { total: options.known ?? (yield* planFurther(options, cursor)) };
}

/** Reads one shard of the table again. Throws `INPUT_CHANGED`. */
export async function rereadShard(source: RowSource, entry: ShardEntry, signal: AbortSignal): Promise<Uint8Array> {
  await using cursor = new RowCursor(source, signal);
  return await readPlanned(cursor, entry, source.schema);
}

async function* planFurther(options: PlanOptions, cursor: RowCursor): AsyncGenerator<PlannedShard, number> {
  const { source, table, offset, limit } = options;
  const end = limit === null ? Infinity : offset + limit;
  await moveBehind(cursor, table.last, offset);
  while (cursor.nextRow < end) {
    const firstRow = cursor.nextRow;
    const rows = await cursor.take(Math.min(options.shardRows, end - firstRow), options.shardBytes);
    const [first] = rows;
    if (first === undefined) break;
    const input = encodeInput(rows, source.schema);
    const entry = { shard: table.length, firstRow, rows: rows.length, offset: first.offset, digest: digestOf(input) };
    await table.append(entry);
    yield { entry, input };
  }
  return Math.max(0, cursor.nextRow - offset);
}

async function moveBehind(cursor: RowCursor, last: ShardEntry | null, offset: number): Promise<void> {
  if (last !== null) {
    await cursor.moveTo(last.firstRow, last.offset);
    await cursor.take(last.rows, Infinity);
    return;
  }
  await cursor.moveTo(0, null);
  while (cursor.nextRow < offset)
    if ((await cursor.take(Math.min(4_096, offset - cursor.nextRow), Infinity)).length === 0) return;
}

async function readPlanned(cursor: RowCursor, entry: ShardEntry, schema: RowSchema): Promise<Uint8Array> {
  await cursor.moveTo(entry.firstRow, entry.offset);
  const rows = await cursor.take(entry.rows, Infinity);
  const input = encodeInput(rows, schema);
  if (rows.length !== entry.rows || digestOf(input) !== entry.digest) {
    const last = entry.firstRow + entry.rows - 1;
    throw new TidingError(
      "INPUT_CHANGED",
      `Rows ${entry.firstRow} to ${last} of the input are not what they were when this job began.`,
      {
        place: "input.path",
        mend: "Put the former input back and run again, or choose another output.path for the new one.",
      },
    );
  }
  return input;
}

/** By the identity of the input's schema, so that a batch's schema message is made once. */
const batchSchemas = new WeakMap<RowSchema, RowSchema>();

/** Leaves room for what the task returns within the 8 MiB that a transport carries. */
const MOST_ROW_BYTES = 6_000_000;

function encodeInput(found: readonly InputRow[], schema: RowSchema): Uint8Array {
  const rows = found.map((row) => (row.bytes > MOST_ROW_BYTES ? tooLarge(row) : row));
  const batchSchema = batchSchemas.get(schema) ?? inputBatchSchema(schema);
  batchSchemas.set(schema, batchSchema);
  const columns: unknown[][] = schema.map(({ name }) => rows.map((row) => row.values[name] ?? null));
  columns.push(rows.map(({ fault }) => (fault === null ? null : JSON.stringify(fault satisfies InputFault))));
  return encodeRowBatch(batchSchema, columns, rows.length);
}

function tooLarge(row: InputRow): InputRow {
  const message = `The row takes about ${row.bytes} bytes; a row may take ${MOST_ROW_BYTES}.`;
  return { ...row, values: {}, fault: { message, place: "input.columns", raw: "" } };
}

function digestOf(input: Uint8Array): string {
  return createHash("sha256").update(input).digest("hex").slice(0, 16);
}
