/**
 * One pass over the rows that have not landed: each runs through its steps, over the answers that are known. What they ask
 * beyond that comes to light on the way; nothing of them is kept.
 */
import type { InputRow } from "../../coordinator/input/row-source.ts";
import type { OwnedOutput } from "../../coordinator/output/output-directory.ts";
import type { Manifest } from "../../coordinator/output/manifest.ts";
import { rangesHave } from "../../coordinator/output/shard-ranges.ts";
import { RowCursor } from "../../coordinator/row-cursor.ts";
import { ShardTable } from "../../coordinator/shard-table.ts";
import { Bitmap } from "../../shared/rows/bitmap.ts";
import type { Pipeline } from "../../worker/pipeline.ts";
import { runRow } from "../../worker/row-run.ts";
import type { PreparedJob } from "../prepare-job.ts";

/** Rows at a time: they wait for files alone. */
const ROWS_RUNNING = 256;
const ROWS_READ = 1_024;
const BYTES_READ = 8 * 1024 * 1024;

/** Rejects with the signal's reason, and with what would stop the job if it ran. */
export async function rehearseRows(job: PreparedJob, output: OwnedOutput, signal: AbortSignal): Promise<void> {
  const { manifest, paths } = output;
  const pipeline = job.steps.rehearsal(manifest.retry?.round ?? 0);
  await using table = await ShardTable.open(paths.private, manifest.epoch);
  const isNeeded = neededRows(manifest, table);
  const running = new Running();
  for await (const { rowId, row } of rowsOf(job, signal)) {
    if (row.fault !== null || !isNeeded(rowId)) continue;
    await running.room();
    running.add(rehearse(row, rowId, { pipeline, signal }));
  }
  await running.end();
}

async function rehearse(
  row: InputRow,
  rowId: number,
  { pipeline, signal }: { readonly pipeline: Pipeline; readonly signal: AbortSignal },
): Promise<void> {
  await runRow({ rowId, values: row.values }, pipeline, signal);
}

async function* rowsOf(
  { source, loaded }: PreparedJob,
  signal: AbortSignal,
): AsyncGenerator<{ readonly rowId: number; readonly row: InputRow }> {
  const { offset, limit } = loaded.spec.input;
  const end = limit === undefined ? Infinity : offset + limit;
  await using cursor = new RowCursor(source, signal);
  await cursor.moveTo(0, null);
  while (cursor.nextRow < end) {
    signal.throwIfAborted();
    const first = cursor.nextRow;
    const most = first < offset ? offset - first : end - first;
    const rows = await cursor.take(Math.min(ROWS_READ, most), BYTES_READ);
    if (rows.length === 0) return;
    if (first < offset) continue;
    for (const [index, row] of rows.entries()) yield { rowId: first + index, row };
  }
}

/** Which rows a run would still run: those of shards that have not landed, or of a retry's failed rows. */
function neededRows({ landed, retry }: Manifest, table: ShardTable): (rowId: number) => boolean {
  if (retry === null) {
    return (rowId) => {
      const shard = table.shardOf(rowId)?.shard;
      return shard === undefined || !rangesHave(landed, shard);
    };
  }
  const only = new Map(retry.only);
  return (rowId) => {
    const entry = table.shardOf(rowId);
    const positions = entry === null ? undefined : only.get(entry.shard);
    if (entry === null || positions === undefined || rangesHave(retry.landed, entry.shard)) return false;
    return Bitmap.fromText(entry.rows, positions).has(rowId - entry.firstRow);
  };
}

/** Promises that run side by side, a bounded number; the first that is rejected is what `room` and `end` reject with. */
class Running {
  readonly #promises = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;

  add(work: Promise<void>): void {
    const promise = work
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#promises.delete(promise));
    this.#promises.add(promise);
  }

  async room(): Promise<void> {
    while (this.#promises.size >= ROWS_RUNNING) await Promise.race(this.#promises);
    this.#throw();
  }

  async end(): Promise<void> {
    await Promise.all(this.#promises);
    this.#throw();
  }

  #throw(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }
}
