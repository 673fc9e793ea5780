/**
 * The coordinator: plans shards, hands them out within a window, and sees to it that every one of them lands.
 *
 *   planned ──► dispatched ──► opened ──► complete ──► landed
 *      ▲            │ nobody works on it, or its rows are committed but not received
 *      └────────────┘ the reconciler: level-triggered, it looks at what is, never at what happened
 *
 * The window counts rows that no worker has taken yet, so that back-pressure reaches the input's reader.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Wakeup } from "../shared/wakeup.ts";
import { decodeCommitRecord } from "../shared/protocol/commit-record.ts";
import type { StepListener } from "../shared/protocol/protocol-step.ts";
import { encodeShardMessage } from "../shared/protocol/shard-message.ts";
import { Bitmap } from "../shared/rows/bitmap.ts";
import { isPassing, TransportError } from "../shared/transport/transport.ts";
import type { BlobRef, JobKey, Position, Transport } from "../shared/transport/transport.ts";
import type { RowSource } from "./input/row-source.ts";
import type { OwnedOutput } from "./output/output-directory.ts";
import { checkRows, checkTable } from "./check-whole.ts";
import { countOfRanges } from "./output/shard-ranges.ts";
import { planShards, rereadShard, type PlannedShard } from "./plan-shards.ts";
import { reopenRecord } from "./reopen-record.ts";
import type { ShardEntry, ShardTable } from "./shard-table.ts";
import { Lander, type LandingPlan } from "./sink/lander.ts";
import { Sink } from "./sink/sink.ts";

export interface CoordinatorOptions {
  readonly transport: Transport;
  readonly job: JobKey;
  readonly source: RowSource;
  readonly table: ShardTable;
  readonly output: OwnedOutput;
  readonly landing: LandingPlan;
  readonly partAgeMs: number;
  readonly ordered: boolean;
  readonly shardRows: number;
  readonly shardBytes: number;
  readonly offset: number;
  readonly limit: number | null;
  readonly verifyAll: boolean;
  /** Rows that may wait in the queue for a worker. */
  readonly windowRows: () => number;
  readonly leaseMs: number;
  /** How often shards that nobody seems to work on are looked after. */
  readonly reconcileMs: number;
  readonly onFault: (error: unknown) => void;
  readonly onStep?: StepListener | undefined;
}

/** How often within a lease a shard that shows no progress is looked after. */
const LOOKS_PER_LEASE = 6;
/** How many leases a record may lie in the log before what the sink did not read of it is taken for lost. */
const MOST_LAG_LEASES = 3;

interface Dispatched {
  readonly rows: number;
  /** When it was dispatched, or last seen to be worked on. */
  lookedAtMs: number;
  /** Openings up to this one are of an earlier dispatch, read late from the log. */
  readonly afterEpoch: number;
  opened: boolean;
}

export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #only: ReadonlyMap<number, string> | null;
  readonly #sink: Sink;
  readonly #stopped = new AbortController();
  readonly #dispatched = new Map<number, Dispatched>();
  /** Shards that the plan is about to hand out: the reconciler must not do so too. */
  readonly #planned = new Set<number>();
  #waitingRows = 0;
  #unlandedBefore = 0;
  #total: number | null = null;
  #running: Promise<void> = Promise.resolve();
  #planning: Promise<void> = Promise.resolve();
  #reconciling: Promise<void> = Promise.resolve();
  readonly #wakeup = new Wakeup();
  /** Newest records that the sink had not read when they were looked at, and since when that is known. */
  readonly #unread = new Map<number, { readonly position: Position; readonly sinceMs: number }>();
  /** The last opening of shards that an earlier run opened. */
  readonly #epochs = new Map<number, number>();

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    const { retry } = options.output.manifest;
    this.#only = retry === null ? null : new Map(retry.only);
    this.#sink = new Sink({
      transport: options.transport,
      job: options.job,
      output: options.output,
      plan: options.landing,
      partBytes: options.landing.partBytes,
      partAgeMs: options.partAgeMs,
      signal: this.#stopped.signal,
      shape: (shard) => this.#shapeOf(shard),
      onOpened: (shard, epoch) => this.#opened(shard, epoch),
      onComplete: (shard) => this.#completed(shard),
      onFault: options.onFault,
      onStep: options.onStep,
    });
  }

  /** Rows that were committed but not landed when this run began. */
  get unlandedBefore(): number {
    return this.#unlandedBefore;
  }

  /** Rows that were received and are not landed. */
  get unlanded(): number {
    return this.#sink.unlandedRows;
  }

  /** Failed rows are being run again. */
  get isRetry(): boolean {
    return this.#only !== null;
  }

  /** Every shard has been handed out. */
  get hasDispatchedAll(): boolean {
    return this.#total !== null;
  }

  /** Rows of the job, once the input was read to its end or its limit. */
  get total(): number | null {
    return this.#total;
  }

  /** About how many rows the job has, from how much of the input the planned shards take; null while that says nothing. */
  get estimatedTotal(): number | null {
    const { source, table, offset, limit } = this.#options;
    const { last } = table;
    const all = last === null ? null : source.estimateRows(last.firstRow, last.offset);
    return all === null ? null : Math.max(0, Math.min(all - offset, limit ?? Infinity));
  }

  /** Runs until every row has landed. Rejects when stopped before, or with what `onFault` was told of. */
  run(): Promise<void> {
    this.#running = this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    const { output, table } = this.#options;
    checkTable(output, table);
    await this.#sink.start();
    this.#planning = this.#plan();
    this.#reconciling = this.#reconcile().catch((error: unknown) => {
      if (!this.#stopped.signal.aborted) this.#options.onFault(error);
    });
    await this.#planning;
    // A batch that was lost puts its shard back: once more round until all has landed.
    while (!this.#isLanded()) {
      if (this.#isComplete()) await this.#sink.landRest();
      else await this.#changed();
    }
    await this.#finish();
  }

  /** Stops planning and reading; lands what is complete when `land` says so. Idempotent. */
  async stop(options: { readonly land: boolean }): Promise<void> {
    try {
      if (options.land && !this.#stopped.signal.aborted) await this.#sink.landRest();
    } finally {
      this.#stopped.abort(new Error("The coordinator was stopped."));
      this.#wakeup.notify();
      await Promise.allSettled([this.#sink.stop(), this.#running, this.#planning, this.#reconciling]);
    }
  }

  async #finish(): Promise<void> {
    const { output, landing, ordered, transport, job } = this.#options;
    const lander = new Lander({ transport, output, plan: landing, onStep: this.#options.onStep });
    if (output.manifest.parts.length === 0) await lander.landNothing();
    if (ordered) await lander.orderParts(this.#stopped.signal);
    checkRows(output, this.#total);
    await transport.tasks.drop(job);
    await transport.inputs.dropJob(job);
    await transport.log.drop(job);
    await transport.results.dropJob(job);
  }

  async #plan(): Promise<void> {
    const { source, table, shardRows, shardBytes, offset, limit, verifyAll } = this.#options;
    const { needed, tails } = await this.#neededShards();
    // Where other processes take part, a batch that no record names may have its record yet to come.
    if (!this.#options.transport.capabilities.multiProcess) await this.#sink.dropOrphans(tails);
    const shards = planShards({
      source,
      table,
      shardRows,
      shardBytes,
      offset,
      limit,
      known: this.#only === null ? null : (this.#options.output.manifest.plan.total ?? 0),
      isNeeded: (shard) => needed.has(shard),
      verifyAll,
      signal: this.#stopped.signal,
    });
    try {
      let next = await shards.next();
      for (; next.done !== true; next = await shards.next()) await this.#dispatch(next.value);
      this.#total = next.value.total;
    } finally {
      // Stopped half-way, the input's file is still open.
      await shards.return({ total: 0 });
    }
    const { total } = this;
    if (this.#only === null && this.#options.output.manifest.plan.total !== total) {
      await this.#options.output.change((manifest) => ({ plan: { ...manifest.plan, total } }));
    }
  }

  /** Shards of the table that are neither landed nor complete in the log. */
  async #neededShards(): Promise<{ needed: ReadonlySet<number>; tails: ReadonlyMap<number, Position> }> {
    const { table, transport, job } = this.#options;
    const needed = new Set<number>();
    const tails = new Map<number, Position>();
    for (let shard = 0; shard < table.length; shard++) {
      const entry = table.get(shard);
      if (entry === undefined || this.#shapeOf(shard) === null || this.#sink.isLanded(shard)) continue;
      const done = this.#sink.progressOf(shard)?.received.copy() ?? this.#emptyProgress(shard);
      const tail = await transport.log.tail(job, shard);
      if (tail !== null) {
        const record = decodeCommitRecord(tail.body);
        this.#epochs.set(shard, record.epoch);
        tails.set(shard, tail.position);
        done.addAll(Bitmap.fromText(done.size, record.done));
      }
      this.#unlandedBefore += done.without(this.#emptyProgress(shard)).count;
      if (done.isFull) continue;
      if (transport.capabilities.multiProcess && (await transport.tasks.isPending(job, shard))) {
        // Dispatched by an earlier run; somebody may be at work on it.
        this.#noteDispatched(entry, { afterEpoch: this.#epochs.get(shard) ?? 0, opened: tail !== null });
      } else {
        needed.add(shard);
        this.#planned.add(shard);
      }
    }
    return { needed, tails };
  }

  async #dispatch({ entry, input }: PlannedShard): Promise<void> {
    const { windowRows } = this.#options;
    this.#planned.add(entry.shard);
    while (this.#waitingRows > 0 && this.#waitingRows + entry.rows > windowRows()) await this.#changed();
    this.#noteDispatched(entry, { afterEpoch: this.#epochs.get(entry.shard) ?? 0, opened: false });
    await this.#put({ entry, input });
    this.#planned.delete(entry.shard);
  }

  #noteDispatched({ shard, rows }: ShardEntry, state: Pick<Dispatched, "afterEpoch" | "opened">): void {
    const waited = this.#dispatched.get(shard)?.opened === false;
    if (!state.opened && !waited) this.#waitingRows += rows;
    this.#dispatched.set(shard, { rows, lookedAtMs: performance.now(), ...state });
  }

  async #put({ entry, input }: PlannedShard, again = false): Promise<void> {
    const { transport, job } = this.#options;
    const { shard, firstRow, rows } = entry;
    let ref: BlobRef | null = null;
    for (;;) {
      this.#stopped.signal.throwIfAborted();
      try {
        if (again && ref === null) await transport.inputs.drop(job, shard);
        // Once is enough: where it is the queue that is full, more of them would leave it no room.
        ref ??= await transport.inputs.put(job, shard, input);
        const message = encodeShardMessage({ shard, firstRow, rows, input: ref, only: this.#only?.get(shard) ?? null });
        if (again) await transport.tasks.replace(job, shard, message);
        else await transport.tasks.put(job, shard, message);
        return;
      } catch (error) {
        if (!isPassing(error)) throw error;
        await delay(100, undefined, { signal: this.#stopped.signal });
      }
    }
  }

  #opened(shard: number, epoch: number): void {
    const dispatched = this.#dispatched.get(shard);
    if (dispatched === undefined || dispatched.opened || epoch <= dispatched.afterEpoch) return;
    dispatched.opened = true;
    this.#waitingRows -= dispatched.rows;
    // The worker has the rows now; should it die, they are read from the input again.
    void this.#options.transport.inputs.drop(this.#options.job, shard).catch(this.#options.onFault);
    this.#wakeup.notify();
  }

  #completed(shard: number): void {
    const dispatched = this.#dispatched.get(shard);
    if (dispatched !== undefined && !dispatched.opened) this.#waitingRows -= dispatched.rows;
    this.#dispatched.delete(shard);
    this.#unread.delete(shard);
    this.#wakeup.notify();
  }

  /** Repairs what any part may have lost: tasks, inputs and batches. */
  async #reconcile(): Promise<void> {
    const { signal } = this.#stopped;
    for (;;) {
      await delay(this.#options.reconcileMs, undefined, { signal });
      for (const shard of new Set([...this.#dispatched.keys(), ...this.#sink.openShards])) {
        signal.throwIfAborted();
        await this.#repair(shard).catch((error: unknown) => {
          // Somebody wrote meanwhile, nobody knows, or there is no room: what is to be repaired shows at the next look.
          const isConflict = error instanceof TransportError && error.fault === "conflict";
          if (!isConflict && !isPassing(error)) throw error;
        });
      }
    }
  }

  async #repair(shard: number): Promise<void> {
    if (this.#planned.has(shard)) return;
    const { transport, job, source, table, leaseMs, output } = this.#options;
    const progress = this.#sink.progressOf(shard);
    const dispatched = this.#dispatched.get(shard);
    const activeAtMs = Math.max(dispatched?.lookedAtMs ?? 0, progress?.activeAtMs ?? 0);
    if (performance.now() - activeAtMs < leaseMs / LOOKS_PER_LEASE) return;
    if (await transport.tasks.isPending(job, shard)) {
      if (dispatched !== undefined) dispatched.lookedAtMs = performance.now();
      return;
    }
    const entry = table.get(shard);
    // Dispatched anew for rows that were taken back while they landed.
    if (this.#sink.isLanded(shard)) return this.#completed(shard);
    if (entry === undefined) return;
    const tail = await transport.log.tail(job, shard);
    const record = tail === null ? null : decodeCommitRecord(tail.body);
    let epoch = record?.epoch ?? 0;
    if (tail !== null && record !== null) {
      // As it is now, and not as it was before all that was waited for.
      const received = this.#sink.progressOf(shard)?.received ?? this.#emptyProgress(shard);
      if (!Bitmap.fromText(record.size, record.done).without(received).isEmpty) {
        // Merely not read yet, most likely; after long enough it never will be.
        if (!this.#sink.hasRead(shard, tail.position) && !this.#liesLongUnread(shard, tail.position)) return;
        // Who slept has read nothing meanwhile, and is about to learn why.
        if (await output.isLost()) return;
        epoch += 1;
        await transport.log.append(job, shard, tail.position, reopenRecord(record, received));
      }
    }
    const input = await rereadShard(source, entry, this.#stopped.signal);
    // Who completed it meanwhile ended its task: dispatched again it would take a place in the window that nobody frees.
    if (this.#sink.progressOf(shard)?.isComplete === true) return this.#completed(shard);
    this.#noteDispatched(entry, { afterEpoch: epoch, opened: false });
    await this.#put({ entry, input }, true);
  }

  /** Not by the shard's last activity: after an outage whoever commits first would be taken for unread since before it. */
  #liesLongUnread(shard: number, position: Position): boolean {
    const nowMs = performance.now();
    const known = this.#unread.get(shard);
    if (known?.position === position) return nowMs - known.sinceMs >= MOST_LAG_LEASES * this.#options.leaseMs;
    this.#unread.set(shard, { position, sinceMs: nowMs });
    return false;
  }

  #shapeOf(shard: number) {
    const entry = this.#options.table.get(shard);
    if (entry === undefined) return null;
    if (this.#only === null) return { firstRow: entry.firstRow, rows: entry.rows, only: null };
    const only = this.#only.get(shard);
    return only === undefined
      ? null
      : { firstRow: entry.firstRow, rows: entry.rows, only: Bitmap.fromText(entry.rows, only) };
  }

  /** What counts as received of a shard from the start: in a retry, all but the rows that are run again. */
  #emptyProgress(shard: number): Bitmap {
    const { rows = 0, only = null } = this.#shapeOf(shard) ?? {};
    return only === null ? new Bitmap(rows) : Bitmap.full(rows).without(only);
  }

  #shardCount(): number {
    return this.#only === null ? this.#options.table.length : this.#only.size;
  }

  #landedCount(): number {
    const { landed, retry } = this.#options.output.manifest;
    return countOfRanges(retry === null ? landed : retry.landed);
  }

  #isComplete(): boolean {
    return this.#isLanded() || this.#sink.completeCount + this.#landedCount() >= this.#shardCount();
  }

  #isLanded(): boolean {
    return this.#landedCount() >= this.#shardCount();
  }

  /** Waits for the next thing that may matter to `run` and `#dispatch`. */
  async #changed(): Promise<void> {
    this.#stopped.signal.throwIfAborted();
    await this.#wakeup.wait();
    this.#stopped.signal.throwIfAborted();
  }
}
