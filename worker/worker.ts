/**
 * A worker: claims shards, runs their rows as slots come free, and commits what is finished.
 *
 *   claim ──► open (fences the former owner) ──► rows run ──► flush: batch, record ──► … ──► closed, task done
 *                                                   ├ drain: no new rows, grace, flush, release, hand back
 *                                                   └ lease lost: rows given up, flush, release; or fenced
 *
 * Windows count unstarted rows, not shards: a shard that one straggler keeps open takes no place. Slots are refilled row
 * by row: a row is started whenever fewer than a few wait for a slot of the first step's endpoints or are on their way there.
 */
import { setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { Wakeup } from "../shared/wakeup.ts";
import { asTidingError, isTidingError, TidingError } from "../shared/errors.ts";
import type { StepListener } from "../shared/protocol/protocol-step.ts";
import type { Claim, JobKey, Transport } from "../shared/transport/transport.ts";
import { failingAlike, type AlikeGuard } from "./alike-guard.ts";
import { commitRows, type ResultSchema } from "./commit-rows.ts";
import type { LLMGateway } from "./endpoints/llm-gateway.ts";
import type { HeldShard, UnstartedRow } from "./held-shard.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { openClaim, settled } from "./open-claim.ts";
import type { Pipeline } from "./pipeline.ts";
import { readFault } from "./read-fault.ts";
import { failedRow, runRow, type OutputRow } from "./row-run.ts";
import { StartGate } from "./start-gate.ts";

const CLAIM_WAIT_MS = 5_000;
/** Of a lease, which counts from when a task was asked for: the wait for one must leave most of it. */
const CLAIM_WAIT_SHARE = 1 / 3;
/** One record and one encoding per this many bytes; small enough for a broker's message, large enough to be cheap. */
const FLUSH_BYTES = 512 * 1024;
/** How long the last commits of a drained worker may take; a store that stays full must not hold it up. */
const COMMIT_PATIENCE_MS = 5_000;
/** Rows that may run without holding or awaiting a slot (backing off, or between calls), for each slot. */
const RUNNING_PER_SLOT = 4;

export interface WorkerOptions {
  readonly id: string;
  readonly transport: Transport;
  readonly job: JobKey;
  readonly pipeline: Pipeline;
  readonly schema: ResultSchema;
  /** The job runs a task or an LLM of the user's own, which may take the process down. */
  readonly runsForeignCode: boolean;
  readonly flushIntervalMs: number;
  readonly leaseMs: number;
  readonly guard: AlikeGuard;
  /** Called once, with the error that stops the job. */
  readonly onFault: (error: TidingError) => void;
  readonly onStep?: StepListener | undefined;
  /** Monotonic milliseconds, which go on while the process sleeps. */
  readonly now?: () => number;
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #held = new Set<HeldShard>();
  /** Those of them that have rows to start. */
  readonly #ready = new Set<HeldShard>();
  readonly #leases: LeaseKeeper;
  readonly #gateways: readonly LLMGateway[];
  /** To the slots of the first step that has any. */
  readonly #gate: StartGate | null;
  readonly #flushTimer: NodeJS.Timeout;
  readonly #ending = new AbortController();
  readonly #stopping = new AbortController();
  readonly #claiming: Promise<void>;
  /** Commits and openings that wait for a store that takes nothing now. */
  #commitsWaiting = 0;
  /** Shards whose rows run alone, one after the other: of two suspects that die together, neither would be told. */
  #alone: Promise<void> = Promise.resolve();
  #running = 0;
  #accepted = 0;
  #failed = 0;
  #faulted = false;
  /** Rung when a shard is wanted, or no row runs. */
  readonly #wakeup = new Wakeup();

  constructor(options: WorkerOptions) {
    this.#options = options;
    // Every commit that waits listens on this one signal.
    setMaxListeners(0, this.#stopping.signal);
    this.#gateways = options.pipeline.steps.flatMap((step) => (step.gateway === null ? [] : [step.gateway]));
    const first = options.pipeline.steps.find(({ gateway }) => gateway !== null);
    this.#gate = first?.gateway ? new StartGate(first.gateway, first.numGenerations) : null;
    const on = { lost: (shard: HeldShard) => this.#letGo(shard), regained: () => this.#pump() };
    this.#leases = new LeaseKeeper(options.leaseMs, on, options.now);
    this.#flushTimer = setInterval(() => this.#flushAll(), options.flushIntervalMs);
    for (const gateway of this.#gateways) gateway.onSlotFree(() => this.#pump());
    this.#claiming = this.#claimShards().catch((error: unknown) => {
      // A shard that could not be opened in time comes again by itself.
      if (!this.#stopping.signal.aborted) this.#fault(error);
    });
  }

  /** Rows that this worker finished, committed or about to be. */
  get accepted(): number {
    return this.#accepted;
  }

  get failed(): number {
    return this.#failed;
  }

  /** No row waits to be started: from now on slots may come free for good. */
  get hasStartedAll(): boolean {
    return this.#ready.size === 0;
  }

  get rowsRunning(): number {
    return this.#running;
  }

  /**
   * Starts no more rows, gives those that run `graceMs` to finish, commits what is finished, and hands the rest back at
   * once. Aborting `now` ends the grace.
   */
  async drain(graceMs: number, now: AbortSignal): Promise<void> {
    this.#ending.abort();
    this.#wakeup.notify();
    if (this.#running > 0 && graceMs > 0 && !now.aborted) {
      const idle = new AbortController();
      const patience = delay(graceMs, undefined, { signal: AbortSignal.any([now, idle.signal]) }).catch(
        () => undefined,
      );
      void this.#untilIdle().then(() => idle.abort());
      await patience;
    }
    for (const shard of this.#held) shard.abandoned.abort(new Error("The worker is stopping."));
    const patience = setTimeout(() => this.#stopping.abort(), COMMIT_PATIENCE_MS);
    await this.#claiming;
    for (const shard of this.#held) await this.#leave(shard, { handsBack: true });
    clearTimeout(patience);
    this.#close();
  }

  async #untilIdle(): Promise<void> {
    while (this.#running > 0) await this.#wakeup.wait();
  }

  #close(): void {
    clearInterval(this.#flushTimer);
    this.#leases.close();
    this.#stopping.abort();
  }

  async #claimShards(): Promise<void> {
    const { transport, job } = this.#options;
    while (!this.#ending.signal.aborted) {
      if (!this.#wantsShard) {
        await this.#wakeup.wait();
        continue;
      }
      const askedAt = this.#leases.now();
      const claim = await transport.tasks.claim(job, { waitMs: this.#claimWait(), signal: this.#ending.signal });
      if (claim !== null) await this.#take(claim, askedAt);
      else if (this.#running === 0) this.#releaseHeldBack();
    }
  }

  /** Failed rows are held back while the guard is undecided; an idle worker has seen all there is. */
  #claimWait(): number {
    const { guard, flushIntervalMs, leaseMs } = this.#options;
    const waitMs = Math.min(CLAIM_WAIT_MS, leaseMs * CLAIM_WAIT_SHARE);
    return guard.settled ? waitMs : Math.min(waitMs, flushIntervalMs);
  }

  #releaseHeldBack(): void {
    if (this.#options.guard.settled || this.#held.size === 0) return;
    this.#options.guard.settle();
    this.#flushAll();
  }

  /** @param askedAt when the queue was asked, from which the claim's lease counts. */
  async #take(claim: Claim, askedAt: number): Promise<void> {
    for (const held of this.#held)
      if (held.message.shard === claim.shard && (await this.#keeps(held, claim, askedAt))) return;
    const { transport, job, id, runsForeignCode } = this.#options;
    const isStale = (): boolean => this.#leases.hasExpired(askedAt);
    const signal = this.#stopping.signal;
    const onWait = (change: 1 | -1): void => this.#storeIsFull(change);
    const shard = await openClaim(claim, { transport, job, worker: id, runsForeignCode, signal, isStale, onWait });
    if (shard === null) return;
    this.#options.onStep?.("shard-opened");
    this.#held.add(shard);
    this.#leases.add(shard, askedAt);
    if (shard.owner.opening.alone) {
      this.#alone = this.#alone
        .then(() => this.#runAlone(shard))
        .catch((error: unknown) => this.#shardFailed(shard, error));
    } else this.#ready.add(shard);
    this.#pump();
  }

  /**
   * A task of a shard that is held here: it was put twice, or a broker that died forgot its lease. Opening it would fence
   * this very worker. False when the shard is another's, or was let go.
   */
  async #keeps(held: HeldShard, claim: Claim, askedAt: number): Promise<boolean> {
    const isOurs = held.leaving === null && (await held.owner.isLast());
    if (held.leaving !== null) await held.leaving;
    else if (!isOurs) this.#abandon(held);
    if (!this.#held.has(held)) return false;
    if (this.#leases.hasExpired(askedAt)) return true;
    held.claim = claim;
    this.#leases.add(held, askedAt);
    this.#pump();
    return true;
  }

  get #wantsShard(): boolean {
    let unstarted = 0;
    for (const shard of this.#ready) unstarted += shard.unstarted;
    return unstarted < this.#lookahead();
  }

  #capacity(): number {
    return this.#gateways.reduce((sum, gateway) => sum + gateway.capacity, 0);
  }

  /** Enough unstarted rows that claiming and opening the next shard is never waited for. */
  #lookahead(): number {
    return Math.max(64, this.#capacity());
  }

  #mayStart(): boolean {
    if (this.#ending.signal.aborted || this.#commitsWaiting > 0) return false;
    if (this.#running >= 64 + RUNNING_PER_SLOT * this.#capacity()) return false;
    return this.#gate?.mayStart() ?? true;
  }

  #pump(): void {
    for (const shard of this.#ready) {
      if (!this.#mayStart()) break;
      if (!this.#leases.mayStart(shard)) continue;
      while (this.#mayStart()) {
        const row = shard.next();
        if (row === null) break;
        void this.#run(shard, row);
      }
      if (shard.unstarted === 0) this.#ready.delete(shard);
    }
    if (this.#wantsShard || this.#running === 0) this.#wakeup.notify();
  }

  /** Runs a row and queues what came of it for the next flush. Never rejects. */
  async #run(shard: HeldShard, row: UnstartedRow): Promise<void> {
    this.#running += 1;
    shard.running += 1;
    const arrived = this.#gate?.start();
    try {
      const rows = await this.#outcome(shard, row, arrived);
      if (this.#options.guard.sees(rows)) this.#fault(failingAlike(rows));
      if (rows[0]?.engine.error_code === null) this.#accepted += 1;
      else this.#failed += 1;
      shard.finish(row.position, rows);
    } catch (error) {
      if (!shard.abandoned.signal.aborted) this.#fault(error);
    } finally {
      arrived?.();
      this.#running -= 1;
      shard.running -= 1;
    }
    if (shard.isWorkedOff || shard.finishedBytes >= FLUSH_BYTES) void this.#flush(shard);
    this.#pump();
  }

  #outcome(
    shard: HeldShard,
    row: UnstartedRow,
    onCall: (() => void) | undefined,
  ): Promise<readonly OutputRow[]> | readonly OutputRow[] {
    if (row.fault === null) return runRow(row, this.#options.pipeline, shard.abandoned.signal, onCall);
    const error = readFault(row.fault);
    return [failedRow(row, { step: "input", error, startedAtMs: Date.now() })];
  }

  /** A shard whose owners keep dying: one row at a time, so that the row that kills is known by its start record. */
  async #runAlone(shard: HeldShard): Promise<void> {
    const { poison } = shard.owner.opening;
    const { signal } = shard.abandoned;
    const isWanted = (): boolean => this.#held.has(shard) && !signal.aborted && !this.#ending.signal.aborted;
    for (let row = shard.next(); row !== null && isWanted(); row = shard.next()) {
      if (row.position === poison) {
        // Certain, unlike the failures that the guard waits to understand; held back, it would be forgotten.
        this.#options.guard.settle();
        const error = new TidingError(
          "ROW_POISON",
          "The process died each time that this row ran; it was not run again.",
          {
            mend: "Mend the task, then run `tiding retry`.",
          },
        );
        shard.finish(row.position, [failedRow(row, { step: "input", error, startedAtMs: Date.now() })]);
      } else {
        await shard.owner.start(row.position);
        if (signal.aborted) return;
        await this.#run(shard, row);
      }
      await this.#flush(shard);
    }
  }

  #flushAll(): void {
    for (const shard of this.#held) if (shard.hasFinished) void this.#flush(shard);
  }

  #flush(shard: HeldShard): Promise<void> {
    shard.flushing = shard.flushing
      .then(() => this.#commitFinished(shard))
      .catch((error: unknown) => this.#shardFailed(shard, error));
    return shard.flushing;
  }

  async #commitFinished(shard: HeldShard): Promise<void> {
    if (!this.#held.has(shard) || !this.#options.guard.settled) return;
    const finished = shard.takeFinished();
    if (finished.length > 0) {
      const { transport, job, schema, onStep } = this.#options;
      const onFull = (change: 1 | -1): void => this.#storeIsFull(change);
      await commitRows({ transport, job, schema, onStep, onFull, signal: this.#stopping.signal }, shard, finished);
    }
    if (!shard.owner.done.isFull) return;
    this.#forget(shard);
    await settled(shard.claim.done());
  }

  /** Starts no rows meanwhile: what they bring would pile up here. */
  #storeIsFull(change: 1 | -1): void {
    this.#commitsWaiting += change;
    if (this.#commitsWaiting === 0) this.#pump();
  }

  /**
   * Another may own the shard by now, or nobody: the log alone knows, and takes from its last owner what it takes from no
   * other. So what runs stops spending, and what is finished is kept until the broker has said which it is.
   */
  #letGo(shard: HeldShard): void {
    this.#ready.delete(shard);
    shard.abandoned.abort(new Error("The shard's lease was lost."));
    // The queue has the task back already, or gives it to another just now: it is not told to hand it out once more.
    void this.#leave(shard, { handsBack: false });
    this.#pump();
  }

  /** Never rejects. */
  #leave(shard: HeldShard, how: { readonly handsBack: boolean }): Promise<void> {
    shard.leaving ??= this.#release(shard, how);
    return shard.leaving;
  }

  async #release(shard: HeldShard, { handsBack }: { readonly handsBack: boolean }): Promise<void> {
    await this.#flush(shard);
    if (!this.#held.has(shard)) return;
    this.#leases.remove(shard);
    try {
      await shard.owner.release();
      if (handsBack) await settled(shard.claim.retry(0));
      this.#forget(shard);
    } catch (error) {
      // What is committed stays; without a release the opening merely counts as lost.
      this.#shardFailed(shard, error);
    }
  }

  #shardFailed(shard: HeldShard, error: unknown): void {
    this.#abandon(shard);
    const fenced = isTidingError(error) && error.code === "FENCED";
    if (!fenced && !this.#stopping.signal.aborted) this.#fault(error);
  }

  /** The shard is another's now: its rows stop spending, what is not committed is dropped. */
  #abandon(shard: HeldShard): void {
    this.#forget(shard);
    shard.abandoned.abort(new Error("The shard was lost."));
    this.#pump();
  }

  #forget(shard: HeldShard): void {
    this.#held.delete(shard);
    this.#ready.delete(shard);
    this.#leases.remove(shard);
  }

  #fault(error: unknown): void {
    if (this.#faulted) return;
    this.#faulted = true;
    this.#ending.abort();
    this.#wakeup.notify();
    this.#options.onFault(asTidingError(error));
  }
}
