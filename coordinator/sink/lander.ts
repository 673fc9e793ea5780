/**
 * Makes parts of complete shards: written as temporaries, linked under their names, and only then named by a manifest.
 *
 * A part's name holds its first row, so that files read by name give the rows in input order, and the owner's epoch and
 * the manifest's generation, so that no two owners ever write one name.
 */
import { link, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { isTidingError, TidingError } from "../../shared/errors.ts";
import type { StepListener } from "../../shared/protocol/protocol-step.ts";
import { Bitmap } from "../../shared/rows/bitmap.ts";
import { decodeRowBatch } from "../../shared/rows/row-batch.ts";
import type { RowSchema } from "../../shared/rows/row-schema.ts";
import type { Position, Transport } from "../../shared/transport/transport.ts";
import { storageError, syncDirectory } from "../output/durable-file.ts";
import type { FailedEntry, Manifest, PartEntry } from "../output/manifest.ts";
import { readManifest, type ManifestChange, type OwnedOutput } from "../output/output-directory.ts";
import { addToRanges } from "../output/shard-ranges.ts";
import type { PartEncoder } from "./part-encoder.ts";
import { partExtension, type LandingResult, type PartFile, type PartFormat, type TaskColumn } from "./part-file.ts";
import type { Piece, ShardProgress } from "./shard-progress.ts";
import { readSpilled } from "./spill.ts";

/** How the dataset's parts look. */
export interface LandingPlan {
  readonly encoder: PartEncoder;
  readonly format: PartFormat;
  readonly inputColumns: RowSchema;
  readonly taskColumns: readonly TaskColumn[];
  /** Columns to keep, in this order; null for all. */
  readonly columns: readonly string[] | null;
  readonly metadata: boolean;
  /** A row whose generations fit in part is kept in part. */
  readonly keepPartial: boolean;
  readonly partBytes: number;
}

/** A batch that the log names is gone from the store. */
export class LostBatch extends Error {
  override readonly name = "LostBatch";
  readonly shard: number;
  readonly piece: Piece;

  constructor(shard: number, piece: Piece) {
    super(`A result batch of shard ${shard} is gone.`);
    this.shard = shard;
    this.piece = piece;
  }
}

export interface LanderOptions {
  readonly transport: Transport;
  readonly output: OwnedOutput;
  readonly plan: LandingPlan;
  readonly onStep?: StepListener | undefined;
}

export class Lander {
  readonly #options: LanderOptions;

  constructor(options: LanderOptions) {
    this.#options = options;
  }

  /** Lands whole shards, ascending, as one part. Throws `LostBatch` with nothing changed, `DISK_FULL`, `OWNERSHIP_LOST`. */
  async land(shards: readonly ShardProgress[], cursor: Position | null): Promise<void> {
    const { output, onStep } = this.#options;
    const result = await this.#write(shards);
    onStep?.("part-written");
    const part = await this.#publish(result.data, "data");
    const failed = await this.#publish(result.failed, "failed");
    const superseded = await this.#withoutRetried(shards);
    onStep?.("part-linked");
    const change = (manifest: Manifest): ManifestChange => ({
      ...landedChange(manifest, shards),
      cursor,
      ...frozen(result),
      parts: [...manifest.parts, ...(part === null ? [] : [part])],
      failed: [...superseded.kept, ...(failed === null ? [] : [{ ...failed, errors: errorsOf(result.failed) }])],
    });
    await this.#nameOrRemove(change, [part, failed, ...superseded.made]);
    for (const file of superseded.needless) await rm(join(output.paths.root, file), { force: true });
  }

  /** An empty part for a dataset without rows, so that it can be loaded like any other. */
  async landNothing(): Promise<void> {
    const { output } = this.#options;
    const result = await this.#write([], true);
    const part = await this.#publish(result.data, "data");
    await output.change((manifest) => ({
      ...frozen(result),
      parts: [...manifest.parts, ...(part === null ? [] : [part])],
    }));
  }

  /**
   * Rewrites the parts whose rows interleave, so that the files read by name give the rows in input order; returns how
   * many there were.
   */
  async orderParts(signal: AbortSignal): Promise<number> {
    const { output, onStep } = this.#options;
    let rewritten = 0;
    for (const cluster of interleaved(output.manifest.parts)) {
      signal.throwIfAborted();
      const merged = (await this.#merge("data", cluster)).map(({ entry }) => entry);
      const old = new Set(cluster.map(({ file }) => file));
      const change = (manifest: Manifest): ManifestChange => ({
        parts: [...manifest.parts.filter(({ file }) => !old.has(file)), ...merged],
      });
      await this.#nameOrRemove(change, merged);
      onStep?.("parts-merged");
      for (const file of old) await rm(join(output.paths.root, file), { force: true });
      rewritten += cluster.length;
    }
    return rewritten;
  }

  /** Lets a manifest name these files; takes them away again when the output turns out to be another's without them. */
  async #nameOrRemove(
    change: (manifest: Manifest) => ManifestChange,
    made: readonly (PartEntry | null)[],
  ): Promise<void> {
    const { output } = this.#options;
    try {
      await output.change(change);
    } catch (error) {
      if (isTidingError(error) && error.code === "OWNERSHIP_LOST") {
        // The loss may have come behind the manifest: what the successor's names as well is the dataset's.
        const truth = await readManifest(output.paths.root);
        const named = new Set([...(truth?.parts ?? []), ...(truth?.failed ?? [])].map(({ file }) => file));
        for (const entry of made) {
          if (entry !== null && !named.has(entry.file)) await rm(join(output.paths.root, entry.file), { force: true });
        }
      }
      throw error;
    }
  }

  async #write(shards: readonly ShardProgress[], emptyDataFile = false): Promise<LandingResult> {
    const { output, plan } = this.#options;
    const { epoch, generation, taskColumns } = output.manifest;
    const temporary = join(output.paths.temporaries, `landing.${epoch}.${generation}`);
    const writer = plan.encoder.open({
      format: plan.format,
      dataPath: `${temporary}.data`,
      failedPath: `${temporary}.failed`,
      inputColumns: plan.inputColumns,
      taskColumns: taskColumns ?? plan.taskColumns,
      columns: plan.columns,
      metadata: plan.metadata,
      emptyDataFile,
      keepPartial: plan.keepPartial,
    });
    try {
      for (const shard of shards) {
        const batches: Uint8Array[] = [];
        const skips: (Uint8Array | null)[] = [];
        for (const piece of shard.pieces) {
          const batch = await this.#fetch(piece);
          if (batch === null) throw new LostBatch(shard.shard, piece);
          skips.push(piece.partial ? positionsToSkip(batch, shard.firstRow, piece.fresh) : null);
          batches.push(batch);
        }
        await writer.addShard(batches, skips);
      }
      return await writer.finish();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  #fetch(piece: Piece): Promise<Uint8Array | null> {
    const { transport, output } = this.#options;
    const { place } = piece;
    return place.kind === "stored" ? transport.results.get(place.ref) : readSpilled(output, place);
  }

  async #publish(file: PartFile | null, folder: "data" | "failed"): Promise<PartEntry | null> {
    if (file === null) return null;
    const { output, plan } = this.#options;
    const { epoch, generation } = output.manifest;
    const stem = folder === "data" ? "train" : "failed";
    const name = `${stem}-${String(file.firstRow).padStart(12, "0")}-e${epoch}g${generation + 1}.${partExtension(plan.format)}`;
    const path = join(folder === "data" ? output.paths.dataFolder : output.paths.failedFolder, name);
    await link(file.path, path).catch((error: unknown) => {
      throw storageError(error, path);
    });
    await rm(file.path, { force: true });
    await syncDirectory(folder === "data" ? output.paths.dataFolder : output.paths.failedFolder);
    const { rows, rowIds, bytes, firstRow, lastRow } = file;
    // Failed parts always say which rows they hold; others do unless metadata is switched off.
    const runs =
      folder === "data" && !plan.metadata ? file.runs.map((run) => [...run] as [number, number, number]) : null;
    return { file: `${folder}/${name}`, rows, rowIds, bytes, firstRow, lastRow, runs };
  }

  /** Failed parts without the rows that these shards have run again. */
  async #withoutRetried(shards: readonly ShardProgress[]) {
    const { output } = this.#options;
    const { retry, failed } = output.manifest;
    if (retry === null) return { kept: failed, made: [], needless: [] };
    const only = new Map(retry.only);
    const leaveOut = shards.flatMap((shard) => {
      const text = only.get(shard.shard);
      return text === undefined ? [] : rowRanges(shard.firstRow, Bitmap.fromText(shard.received.size, text));
    });
    const kept: FailedEntry[] = [];
    const made: PartEntry[] = [];
    const needless: string[] = [];
    for (const entry of failed) {
      if (!leaveOut.some(([first, count]) => first <= entry.lastRow && first + count > entry.firstRow)) {
        kept.push(entry);
        continue;
      }
      needless.push(entry.file);
      for (const { entry: left, file } of await this.#merge("failed", [entry], leaveOut)) {
        made.push(left);
        kept.push({ ...left, errors: errorsOf(file) });
      }
    }
    return { kept, made, needless };
  }

  async #merge(
    folder: "data" | "failed",
    entries: readonly PartEntry[],
    leaveOut: readonly (readonly [number, number])[] = [],
  ): Promise<{ readonly entry: PartEntry; readonly file: PartFile }[]> {
    const { output, plan } = this.#options;
    const merged = await plan.encoder.merge({
      format: plan.format,
      sources: entries.map(({ file, runs, firstRow }) => ({ path: join(output.paths.root, file), runs, firstRow })),
      targets: { folder: output.paths.temporaries, prefix: `merge.${basename(entries[0]?.file ?? folder)}` },
      maxBytes: plan.partBytes,
      leaveOut,
    });
    const published: { readonly entry: PartEntry; readonly file: PartFile }[] = [];
    for (const file of merged) {
      const entry = await this.#publish(file, folder);
      if (entry !== null) published.push({ entry, file });
    }
    return published;
  }
}

function landedChange(manifest: Manifest, shards: readonly ShardProgress[]): ManifestChange {
  const landed = shards.map(({ shard }) => shard);
  const gone = new Set(landed);
  const spills = manifest.spills
    .map((spill) => ({ ...spill, batches: spill.batches.filter(({ shard }) => !gone.has(shard)) }))
    .filter(({ batches }) => batches.length > 0);
  if (manifest.retry === null) return { landed: addToRanges(manifest.landed, landed), spills };
  return { retry: { ...manifest.retry, landed: addToRanges(manifest.retry.landed, landed) }, spills };
}

/** Parts in clusters of more than one whose spans of rows overlap. */
export function interleaved(parts: readonly PartEntry[]): readonly (readonly PartEntry[])[] {
  const clusters: PartEntry[][] = [];
  let end = -1;
  for (const part of parts.filter(({ rows }) => rows > 0).toSorted((a, b) => a.firstRow - b.firstRow)) {
    if (part.firstRow <= end) clusters.at(-1)?.push(part);
    else clusters.push([part]);
    end = Math.max(end, part.lastRow);
  }
  return clusters.filter((cluster) => cluster.length > 1);
}

function errorsOf(file: PartFile | null): FailedEntry["errors"] {
  return file?.errors ?? {};
}

/** Bits over the batch's positions, set for rows that another batch has brought. */
function positionsToSkip(batch: Uint8Array, firstRow: number, fresh: Bitmap): Uint8Array {
  const { schema, columns, rows } = decodeRowBatch(batch);
  const rowIds = columns[schema.findIndex(({ name }) => name === "tiding.row_id")];
  if (rowIds === undefined) throw new TidingError("STORE_DAMAGED", "A result batch has no row ids.");
  const skip = new Uint8Array(Math.ceil(rows / 8));
  for (let at = 0; at < rows; at++) {
    if (!fresh.has(Number(rowIds[at]) - firstRow)) skip[at >> 3] = (skip[at >> 3] ?? 0) | (1 << (at & 7));
  }
  return skip;
}

function rowRanges(firstRow: number, positions: Bitmap): (readonly [number, number])[] {
  const ranges: [number, number][] = [];
  for (const position of positions) {
    const before = ranges.at(-1);
    if (before !== undefined && before[0] + before[1] === firstRow + position) before[1] += 1;
    else ranges.push([firstRow + position, 1]);
  }
  return ranges;
}

/** Types of task columns are frozen by the first part that shows them. */
function frozen({ taskColumns }: LandingResult): ManifestChange {
  return taskColumns === null ? {} : { taskColumns: taskColumns.map(({ name, type }) => ({ name, type })) };
}
