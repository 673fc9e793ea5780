/** Finished rows of a shard to a committed result batch: encode, store, record. */
import { setTimeout as delay } from "node:timers/promises";
import { TidingError } from "../shared/errors.ts";
import type { StepListener } from "../shared/protocol/protocol-step.ts";
import { Bitmap } from "../shared/rows/bitmap.ts";
import { encodeRowBatch } from "../shared/rows/row-batch.ts";
import { ENGINE_COLUMNS, type EngineValues } from "../shared/rows/result-batch.ts";
import type { RowSchema } from "../shared/rows/row-schema.ts";
import { isPassing, type BlobRef, type JobKey, type Transport } from "../shared/transport/transport.ts";
import type { FinishedRow, HeldShard } from "./held-shard.ts";
import { failedRow } from "./row-run.ts";

/** Long enough that hundreds of shards that wait for room cost nothing. */
const FULL_RETRY_MS = 250;

export interface CommitTarget {
  readonly transport: Transport;
  readonly job: JobKey;
  readonly schema: ResultSchema;
  readonly signal: AbortSignal;
  readonly onStep: StepListener | undefined;
  /** Told when a commit begins (1) and ends (-1) to wait for space in the result store. */
  readonly onFull?: (change: 1 | -1) => void;
}

/**
 * Commits the rows. Waits while the result store is full. Rejects with `FENCED` when the shard was lost, and with
 * whatever broke the store.
 */
export async function commitRows(
  target: CommitTarget,
  shard: HeldShard,
  finished: readonly FinishedRow[],
): Promise<void> {
  const own = new Bitmap(shard.message.rows);
  for (const { position } of finished) own.add(position);
  const batches = encodeWithin(target, finished);
  const refs: BlobRef[] = [];
  let bytes = 0;
  for (const batch of batches) {
    refs.push(await storeBatch(target, shard.message.shard, batch));
    bytes += batch.byteLength;
  }
  target.onStep?.("batch-stored");
  await shard.owner.commit({ own, batches: refs, bytes });
  target.onStep?.("batch-recorded");
}

/** A job's result batches: the dataset's columns and the engine's. Made once; its identity keeps encoding cheap. */
export interface ResultSchema {
  readonly columns: RowSchema;
  readonly batch: RowSchema;
}

/** @param columns of the dataset, with `json` where a task's types are not declared. */
export function resultSchema(columns: RowSchema): ResultSchema {
  return { columns, batch: [...columns, ...ENGINE_COLUMNS] };
}

const ENGINE_FIELDS = ENGINE_COLUMNS.map(({ name }) => name.slice("tiding.".length) as keyof EngineValues);

function encodeResultBatch(schema: ResultSchema, finished: readonly FinishedRow[]): Uint8Array {
  const rows =
    finished.length === 1 && finished[0] !== undefined ? finished[0].rows : finished.flatMap((row) => row.rows);
  const values = schema.columns.map(({ name }) => rows.map((row) => row.values[name] ?? null));
  const engine = ENGINE_FIELDS.map((field) => rows.map((row) => row.engine[field] ?? null));
  return encodeRowBatch(schema.batch, [...values, ...engine], rows.length);
}

/** Cuts a batch that is too large for one body in halves; a single row that is too large becomes a failed row. */
function encodeWithin(target: CommitTarget, finished: readonly FinishedRow[]): readonly Uint8Array[] {
  const batch = encodeResultBatch(target.schema, finished);
  const limit = target.transport.capabilities.maxBodyBytes;
  if (batch.byteLength <= limit) return [batch];
  const [first] = finished;
  if (finished.length <= 1 && first !== undefined) {
    return [encodeResultBatch(target.schema, [tooLarge(first, { bytes: batch.byteLength, limit })])];
  }
  const half = Math.ceil(finished.length / 2);
  return [...encodeWithin(target, finished.slice(0, half)), ...encodeWithin(target, finished.slice(half))];
}

/** Without its values, which are what is too large. */
function tooLarge(row: FinishedRow, size: { readonly bytes: number; readonly limit: number }): FinishedRow {
  const rowId = row.rows[0]?.engine.row_id ?? 0;
  const error = new TidingError(
    "OUTPUT_MISFIT",
    `The row takes ${size.bytes} bytes; ${size.limit} can be carried at most.`,
  );
  return {
    position: row.position,
    rows: [failedRow({ rowId, values: {} }, { step: "output", error, startedAtMs: Date.now() })],
  };
}

async function storeBatch(target: CommitTarget, shard: number, batch: Uint8Array): Promise<BlobRef> {
  let isWaiting = false;
  try {
    for (;;) {
      target.signal.throwIfAborted();
      try {
        return await target.transport.results.put(target.job, shard, batch);
      } catch (error) {
        if (!isPassing(error)) throw error;
        if (!isWaiting) target.onFull?.(1);
        isWaiting = true;
        await delay(FULL_RETRY_MS * (0.5 + Math.random()), undefined, { signal: target.signal });
      }
    }
  } finally {
    if (isWaiting) target.onFull?.(-1);
  }
}
