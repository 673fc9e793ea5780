/**
 * The sink: the single writer of the output. It reads the commit log in order, notes what it received by bitmap, and turns
 * complete shards into parts.
 *
 *   log entry ──► received (bitmap, place of the batch) ──► complete ──► landing: part written, linked, manifest ──► dropped
 *                    │ the result store fills up: batches of open shards are spilled to disk and count as received
 *
 * Batches are dropped only after the manifest that makes them needless is in place; the cursor in the manifest has nothing
 * unlanded before it. Messages: log entries, ticks and `landRest`; landings follow one another.
 */
import { Wakeup } from "../../shared/wakeup.ts";
import { batchRefs, decodeCommitRecord } from "../../shared/protocol/commit-record.ts";
import type { StepListener } from "../../shared/protocol/protocol-step.ts";
import { Bitmap } from "../../shared/rows/bitmap.ts";
import type { JobKey, LogEntry, Position, Transport } from "../../shared/transport/transport.ts";
import type { ShardRange } from "../output/manifest.ts";
import { rangesHave } from "../output/shard-ranges.ts";
import type { OwnedOutput } from "../output/output-directory.ts";
import { chooseLanding } from "./choose-landing.ts";
import { LandedSweep } from "./drop-landed.ts";
import { LandedGroups } from "./landed-groups.ts";
import { Lander, LostBatch, type LandingPlan } from "./lander.ts";
import { ShardProgress } from "./shard-progress.ts";
import { dropNeedlessSpills, spill } from "./spill.ts";

const TICK_MS = 1_000;
/** Share of the result store's budget at which complete shards are landed early, and then open ones spilled. */
const FILLING = 0.6;
const STILL_FILLING = 0.4;
/** Log entries behind the oldest open shard's at which that shard is spilled, so that memory does not follow the log. */
const MOST_UNSETTLED = 20_000;

export interface SinkOptions {
  readonly transport: Transport;
  readonly job: JobKey;
  readonly output: OwnedOutput;
  readonly plan: LandingPlan;
  readonly partBytes: number;
  readonly partAgeMs: number;
  readonly signal: AbortSignal;
  /** What of a shard is to be run: null for all of it. */
  readonly shape: (
    shard: number,
  ) => { readonly firstRow: number; readonly rows: number; readonly only: Bitmap | null } | null;
  readonly onOpened: (shard: number, epoch: number) => void;
  readonly onComplete: (shard: number) => void;
  readonly onFault: (error: unknown) => void;
  readonly onStep?: StepListener | undefined;
}

export class Sink {
  readonly #options: SinkOptions;
  readonly #open = new Map<number, ShardProgress>();
  readonly #lander: Lander;
  readonly #landedGroups: LandedGroups;
  readonly #sweep: LandedSweep;
  readonly #tick: NodeJS.Timeout;
  /** Entries in the log's order, until all before them are landed. */
  #unsettled: { readonly shard: number; readonly position: Position }[] = [];
  #cursor: Position | null = null;
  /** The newest record that was read of each shard that is not landed. */
  readonly #seen = new Map<number, Position>();
  readonly #wakeup = new Wakeup();
  #work: Promise<void> = Promise.resolve();
  #reading: Promise<void> = Promise.resolve();
  readonly #leftovers = new Set<number>();
  /** Shards whose log was trimmed at the last landing, to be forgotten at the next: a stale task must still meet a tail. */
  #forgettable: readonly number[] = [];

  constructor(options: SinkOptions) {
    this.#options = options;
    this.#lander = new Lander(options);
    const { transport, job } = options;
    this.#landedGroups = new LandedGroups({
      results: transport.results,
      job,
      inGroups: transport.capabilities.multiProcess,
      isLanded: (shard) => this.isLanded(shard),
    });
    this.#sweep = new LandedSweep(transport, job, () => this.#landed);
    this.#tick = setInterval(() => this.#enqueue(() => this.#lookAround()), TICK_MS);
    this.#tick.unref();
  }

  /** Takes up where the manifest ends: spilled batches first, then what is kept of the log. */
  async start(): Promise<void> {
    const { output, signal, onFault } = this.#options;
    for (const { file, batches } of output.manifest.spills) {
      for (const { shard, own, ...place } of batches) {
        const progress = this.#progressOf(shard);
        progress?.restore(Bitmap.fromText(progress.received.size, own), { kind: "spilled", file, ...place });
      }
    }
    for (const progress of this.#open.values()) this.#noteComplete(progress);
    this.#cursor = await this.#startOfLog();
    this.#reading = this.#read(this.#cursor, signal).catch((error: unknown) => {
      if (!signal.aborted) onFault(error);
    });
  }

  isLanded(shard: number): boolean {
    return rangesHave(this.#landed, shard);
  }

  /** Shards that are complete and wait to be landed. */
  get completeCount(): number {
    let complete = 0;
    for (const { completedAtMs, shard } of this.#open.values()) {
      // A landing names its shards in the manifest a moment before it lets go of them.
      if (completedAtMs !== null && !this.isLanded(shard)) complete += 1;
    }
    return complete;
  }

  /** Rows that were received of shards that are not landed. */
  get unlandedRows(): number {
    let rows = 0;
    for (const progress of this.#open.values()) if (!this.isLanded(progress.shard)) rows += progress.receivedRows;
    return rows;
  }

  /** Shards of which something is known but rows are missing. */
  get openShards(): readonly number[] {
    return [...this.#open.values()].flatMap((progress) => (progress.completedAtMs === null ? [progress.shard] : []));
  }

  /** What was received of a shard; null for one that is landed or of which nothing is known. */
  progressOf(shard: number): ShardProgress | null {
    return this.#open.get(shard) ?? null;
  }

  /** The record there is the newest that was read of a shard that is not landed. */
  hasRead(shard: number, position: Position): boolean {
    return this.#seen.get(shard) === position;
  }

  /**
   * Drops batches that no record names: their writer died between storing and recording. To be called before anybody
   * works, with the newest record of each shard: until those are read, a batch may merely not have been heard of yet.
   *
   * What such shards have in the store besides is spilled first, so that all they have there can go.
   */
  async dropOrphans(tails: ReadonlyMap<number, Position>): Promise<void> {
    const { transport, job, output, signal, onStep } = this.#options;
    for (const [shard, position] of tails) {
      while (this.#seen.get(shard) !== position && !this.isLanded(shard)) {
        signal.throwIfAborted();
        await this.#wakeup.wait();
      }
    }
    const { bytes } = await transport.results.usage();
    let known = 0;
    for (const progress of this.#open.values()) known += progress.storedBytes;
    if (bytes <= known) return;
    await this.#enqueueAwaited(async () => {
      const open = [...this.#open.values()].filter((progress) => progress.completedAtMs === null);
      await spill(
        open.filter((progress) => progress.storedBytes > 0),
        { transport, job, output, onStep },
      );
      for (const { shard } of open) await transport.results.drop(job, shard);
    });
  }

  /** Lands every complete shard, whatever its size. */
  landRest(): Promise<void> {
    return this.#enqueueAwaited(() => this.#landWhatIsDue(true));
  }

  /** Stops reading and waits for a landing that is under way. The `signal` must be aborted before. */
  async stop(): Promise<void> {
    clearInterval(this.#tick);
    this.#wakeup.notify();
    await this.#reading;
    await this.#work;
  }

  /**
   * A log that others write too is read from the cursor, as long as that still stands. This process's own is read whole:
   * what was received before is told by bitmap, and what no record names must be found.
   */
  async #startOfLog(): Promise<Position | null> {
    const { transport, job, output } = this.#options;
    const cursor = output.manifest.cursor as Position | null;
    if (!transport.capabilities.multiProcess || cursor === null) return null;
    return (await transport.log.verify(job, cursor)) ? cursor : null;
  }

  async #read(from: Position | null, signal: AbortSignal): Promise<void> {
    const { transport, job } = this.#options;
    for await (const entry of transport.log.read(job, from, signal)) {
      this.#receive(entry);
      this.#seen.set(entry.shard, entry.position);
      this.#wakeup.notify();
    }
  }

  #receive(entry: LogEntry): void {
    const { shard, position } = entry;
    this.#unsettled.push({ shard, position });
    const record = decodeCommitRecord(entry.body);
    const progress = this.#progressOf(shard);
    if (progress === null) {
      if (this.isLanded(shard)) this.#dropLeftover(shard);
      return;
    }
    progress.activeAtMs = performance.now();
    if (record.type === "open") this.#options.onOpened(shard, record.epoch);
    if (record.type === "reopen") progress.takeBack(Bitmap.fromText(record.size, record.done));
    if (record.type !== "rows") return;
    const own = Bitmap.fromText(record.size, record.own);
    const refs = batchRefs(record);
    progress.add(
      own,
      refs.map((ref) => ({ kind: "stored" as const, ref, bytes: Math.ceil(record.bytes / refs.length) })),
    );
    this.#noteComplete(progress);
  }

  /** An owner that died behind its manifest left batches that the manifest makes needless. */
  #dropLeftover(shard: number): void {
    if (this.#leftovers.has(shard)) return;
    this.#leftovers.add(shard);
    const { transport, job } = this.#options;
    this.#enqueue(async () => {
      await transport.results.drop(job, shard);
      await this.#forget([shard]);
      this.#leftovers.delete(shard);
    });
  }

  #noteComplete(progress: ShardProgress): void {
    if (!progress.isComplete || progress.completedAtMs !== null) return;
    progress.completedAtMs = performance.now();
    this.#options.onComplete(progress.shard);
    this.#enqueue(() => this.#landWhatIsDue(false));
  }

  #progressOf(shard: number): ShardProgress | null {
    const known = this.#open.get(shard);
    if (known !== undefined) return known;
    const shape = this.#options.shape(shard);
    if (shape === null || this.isLanded(shard)) return null;
    const received = shape.only === null ? new Bitmap(shape.rows) : Bitmap.full(shape.rows).without(shape.only);
    const progress = new ShardProgress({ shard, firstRow: shape.firstRow, received, nowMs: performance.now() });
    this.#open.set(shard, progress);
    return progress;
  }

  /** Behind what is enqueued; its failure is the caller's. */
  #enqueueAwaited(task: () => Promise<void>): Promise<void> {
    const done = this.#work.then(task);
    this.#work = done.catch(() => undefined);
    return done;
  }

  #enqueue(task: () => Promise<void>): void {
    const { signal, onFault } = this.#options;
    // What waits behind a landing that is under way when the sink is stopped is not begun any more.
    this.#work = this.#work
      .then(() => (signal.aborted ? undefined : task()))
      .catch((error: unknown) => {
        if (!signal.aborted) onFault(error);
      });
  }

  get #landed(): readonly ShardRange[] {
    const { landed, retry } = this.#options.output.manifest;
    return retry === null ? landed : retry.landed;
  }

  async #lookAround(): Promise<void> {
    await this.#landWhatIsDue(false);
    const { bytes, budgetBytes } = await this.#options.transport.results.usage();
    if (bytes > FILLING * budgetBytes) await this.#sweep.dropSome();
  }

  async #landWhatIsDue(everything: boolean): Promise<void> {
    const { transport, partBytes, partAgeMs } = this.#options;
    const { bytes, budgetBytes } = await transport.results.usage();
    const filling = bytes > FILLING * budgetBytes;
    const complete = [...this.#open.values()].flatMap((progress) =>
      progress.completedAtMs === null
        ? []
        : [{ shard: progress.shard, bytes: progress.bytes, completedAtMs: progress.completedAtMs }],
    );
    if (complete.length > 0) {
      const groups = chooseLanding(complete, {
        partBytes,
        partAgeMs,
        nowMs: performance.now(),
        everything: everything || filling,
        isLanded: (shard) => this.isLanded(shard),
      });
      for (const group of groups) await this.#land(group);
    }
    if (filling || this.#unsettled.length > MOST_UNSETTLED) await this.#spillOpenShards();
  }

  async #land(shards: readonly number[]): Promise<void> {
    const { transport, job, output, onStep } = this.#options;
    // Rows may be taken back while they land; what lands is what was complete at one moment.
    const complete = shards.flatMap((shard) => this.#open.get(shard)?.copy() ?? []);
    if (!complete.every(({ isComplete }) => isComplete)) return;
    const spillsBefore = output.manifest.spills.map(({ file }) => file);
    const { cursor, settled } = this.#settledBy(new Set(shards));
    try {
      await this.#lander.land(complete, cursor);
    } catch (error) {
      if (!(error instanceof LostBatch)) throw error;
      // The rows are to be run again; the reconciler sees that they are committed but not received.
      this.#open.get(error.shard)?.lose(error.piece);
      return;
    }
    this.#cursor = cursor;
    // Behind them lie entries that came while the part was written.
    this.#unsettled = this.#unsettled.slice(settled);
    for (const shard of shards) {
      this.#open.delete(shard);
      this.#seen.delete(shard);
    }
    this.#wakeup.notify();
    await this.#forget(this.#forgettable);
    await this.#landedGroups.drop(complete.map(({ shard, storedBytes }) => ({ shard, storedBytes })));
    for (const shard of shards) await transport.log.trim(job, shard);
    this.#forgettable = shards;
    await dropNeedlessSpills(output, spillsBefore);
    onStep?.("batches-dropped");
  }

  /** Where tasks may come late and twice, each shard's newest record stays to the end: it says that nothing is to be done. */
  async #forget(shards: readonly number[]): Promise<void> {
    const { transport, job } = this.#options;
    if (transport.capabilities.multiProcess) return;
    for (const shard of shards) await transport.log.forget(job, shard);
  }

  /** The low-water mark once these shards are landed, and how many entries lie before it. */
  #settledBy(landing: ReadonlySet<number>) {
    const first = this.#unsettled.findIndex(
      ({ shard }) => !landing.has(shard) && (this.#open.get(shard)?.storedBytes ?? 0) > 0,
    );
    const settled = first === -1 ? this.#unsettled.length : first;
    return { cursor: this.#unsettled[settled - 1]?.position ?? this.#cursor, settled };
  }

  async #spillOpenShards(): Promise<void> {
    const { transport, job, output, onStep } = this.#options;
    const { bytes, budgetBytes } = await transport.results.usage();
    if (bytes <= STILL_FILLING * budgetBytes && this.#unsettled.length <= MOST_UNSETTLED) return;
    const open = [...this.#open.values()].filter(
      (progress) => progress.completedAtMs === null && progress.storedBytes > 0,
    );
    await spill(open, { transport, job, output, onStep });
  }
}
