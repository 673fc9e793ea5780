/**
 * A worker: claims shards, runs their rows as slots come free, and commits what is finished.
 *
 *   claim ──► open (fences the former owner) ──► rows run ──► flush: batch, record ──► … ──► closed, task done
 *                                                   │ drain: no new rows, grace, flush, release, hand back
 *
 * Windows count unstarted rows, not shards: a shard that one straggler keeps open takes no place. Slots are refilled row
 * by row: a row is started whenever fewer than a few calls wait for a slot of the first step's endpoints.
 */
import { setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { Bell } from "../shared/bell.ts";
import { asTidingError, isTidingError, TidingError } from "../shared/errors.ts";
import { decodeShardMessage } from "../shared/protocol/shard-message.ts";
import type { StepListener } from "../shared/protocol/protocol-step.ts";
import { Bitmap } from "../shared/rows/bitmap.ts";
import { TransportError, type Claim, type JobKey, type Transport } from "../shared/transport/transport.ts";
import type { AlikeGuard } from "./alike-guard.ts";
import { commitRows, type ResultSchema } from "./commit-rows.ts";
import type { LLMGateway } from "./endpoints/llm-gateway.ts";
import { HeldShard, type UnstartedRow } from "./held-shard.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import type { Pipeline } from "./pipeline.ts";
import { readFault } from "./read-fault.ts";
import { failedRow, runRow, type OutputRow } from "./row-run.ts";
import { ShardOwner } from "./shard-owner.ts";

const CLAIM_WAIT_MS = 5_000;
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
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #held = new Set<HeldShard>();
  /** Those of them that have rows to start. */
  readonly #ready = new Set<HeldShard>();
  readonly #leases: LeaseKeeper;
  readonly #gateways: readonly LLMGateway[];
  readonly #flushTimer: NodeJS.Timeout;
  readonly #ending = new AbortController();
  readonly #stopping = new AbortController();
  readonly #claiming: Promise<void>;
  /** Commits that wait for space in the result store. */
  #commitsWaiting = 0;
  /** Shards whose rows run alone, one after the other: of two suspects that die together, neither would be told. */
  #alone: Promise<void> = Promise.resolve();
  #running = 0;
  #accepted = 0;
  #failed = 0;
  #faulted = false;
  /** Rung when a shard is wanted, or no row runs. */
  readonly #bell = new Bell();

  constructor(options: WorkerOptions) {
    this.#options = options;
    // Every commit that waits listens on this one signal.
    setMaxListeners(0, this.#stopping.signal);
    this.#gateways = options.pipeline.steps.flatMap((step) => (step.gateway === null ? [] : [step.gateway]));
    this.#leases = new LeaseKeeper(options.leaseMs, {
      lost: (shard) => this.#abandon(shard),
      regained: () => this.#pump(),
    });
    this.#flushTimer = setInterval(() => this.#flushAll(), options.flushIntervalMs);
    for (const gateway of this.#gateways) gateway.onSlotFree(() => this.#pump());
    this.#claiming = this.#claimShards().catch((error: unknown) => this.#fault(error));
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
    this.#bell.ring();
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
    for (const shard of this.#held) await this.#release(shard);
    clearTimeout(patience);
    this.#close();
  }

  async #untilIdle(): Promise<void> {
    while (this.#running > 0) await this.#bell.heard();
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
        await this.#bell.heard();
        continue;
      }
      const claim = await transport.tasks.claim(job, { waitMs: this.#claimWait(), signal: this.#ending.signal });
      if (claim !== null) await this.#take(claim);
      else if (this.#running === 0) this.#releaseHeldBack();
    }
  }

  /** Failed rows are held back while the guard is undecided; an idle worker has seen all there is. */
  #claimWait(): number {
    return this.#options.guard.settled ? CLAIM_WAIT_MS : Math.min(CLAIM_WAIT_MS, this.#options.flushIntervalMs);
  }

  #releaseHeldBack(): void {
    if (this.#options.guard.settled || this.#held.size === 0) return;
    this.#options.guard.settle();
    this.#flushAll();
  }

  async #take(claim: Claim): Promise<void> {
    const { transport, job, id, runsForeignCode } = this.#options;
    const message = decodeShardMessage(claim.body);
    const input = await transport.inputs.get(message.input);
    if (input === null) {
      // Gone with a restart; the reconciler sees that nobody works on the shard and puts both again.
      await settled(claim.done());
      return;
    }
    const only = message.only === null ? null : Bitmap.fromText(message.rows, message.only);
    const signal = this.#stopping.signal;
    const place = { job, shard: message.shard, size: message.rows, only, runsForeignCode, worker: id, signal };
    const owner = await ShardOwner.open(transport.log, place).catch((error: unknown) => {
      // Another worker, with a delivery of its own, was quicker.
      if (isTidingError(error) && error.code === "FENCED") return null;
      throw error;
    });
    if (owner === null) {
      await settled(claim.done());
      return;
    }
    this.#options.onStep?.("shard-opened");
    const shard = new HeldShard(message, claim, owner, input);
    this.#held.add(shard);
    this.#leases.add(shard);
    if (owner.opening.alone) {
      this.#alone = this.#alone
        .then(() => this.#runAlone(shard))
        .catch((error: unknown) => this.#shardFailed(shard, error));
    } else this.#ready.add(shard);
    this.#pump();
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
    const [first] = this.#gateways;
    return first === undefined || first.waiting < Math.min(64, Math.max(4, first.capacity / 8));
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
    if (this.#wantsShard || this.#running === 0) this.#bell.ring();
  }

  /** Runs a row and queues what came of it for the next flush. Never rejects. */
  async #run(shard: HeldShard, row: UnstartedRow): Promise<void> {
    this.#running += 1;
    shard.running += 1;
    try {
      const rows = await this.#outcome(shard, row);
      if (this.#options.guard.sees(rows)) this.#fault(failingAlike(rows));
      if (rows[0]?.engine.error_code === null) this.#accepted += 1;
      else this.#failed += 1;
      shard.finished.push({ position: row.position, rows });
      shard.finishedBytes += sizeOf(rows);
    } catch (error) {
      if (!shard.abandoned.signal.aborted) this.#fault(error);
    } finally {
      this.#running -= 1;
      shard.running -= 1;
    }
    if (shard.isWorkedOff || shard.finishedBytes >= FLUSH_BYTES) void this.#flush(shard);
    this.#pump();
  }

  #outcome(shard: HeldShard, row: UnstartedRow): Promise<readonly OutputRow[]> | readonly OutputRow[] {
    if (row.fault === null) return runRow(row, this.#options.pipeline, shard.abandoned.signal);
    const error = readFault(row.fault);
    return [failedRow(row, { step: "input", error, startedAtMs: Date.now() })];
  }

  /** A shard whose owners keep dying: one row at a time, so that the row that kills is known by its start record. */
  async #runAlone(shard: HeldShard): Promise<void> {
    const { poison } = shard.owner.opening;
    const isWanted = (): boolean => this.#held.has(shard) && !this.#ending.signal.aborted;
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
        shard.finished.push({
          position: row.position,
          rows: [failedRow(row, { step: "input", error, startedAtMs: Date.now() })],
        });
      } else {
        await shard.owner.start(row.position);
        await this.#run(shard, row);
      }
      await this.#flush(shard);
    }
  }

  #flushAll(): void {
    for (const shard of this.#held) if (shard.finished.length > 0) void this.#flush(shard);
  }

  #flush(shard: HeldShard): Promise<void> {
    shard.flushing = shard.flushing
      .then(() => this.#commitFinished(shard))
      .catch((error: unknown) => this.#shardFailed(shard, error));
    return shard.flushing;
  }

  async #commitFinished(shard: HeldShard): Promise<void> {
    if (!this.#held.has(shard) || !this.#options.guard.settled) return;
    const finished = shard.finished;
    shard.finished = [];
    shard.finishedBytes = 0;
    if (finished.length > 0) {
      const { transport, job, schema, onStep } = this.#options;
      const onFull = (change: 1 | -1): void => this.#storeIsFull(change);
      await commitRows({ transport, job, schema, onStep, onFull, signal: this.#stopping.signal }, shard, finished);
    }
    if (!shard.owner.done.isFull) return;
    this.#forget(shard);
    await settled(shard.claim.done());
  }

  /** Starts no rows while a commit waits for space: what they bring would pile up here. */
  #storeIsFull(change: 1 | -1): void {
    this.#commitsWaiting += change;
    if (this.#commitsWaiting === 0) this.#pump();
  }

  async #release(shard: HeldShard): Promise<void> {
    await this.#flush(shard);
    if (!this.#held.has(shard)) return;
    this.#forget(shard);
    try {
      await shard.owner.release();
      await settled(shard.claim.retry(0));
    } catch (error) {
      // What is committed stays; without a release the opening merely counts as lost.
      if (!isTidingError(error) || error.code !== "FENCED") this.#fault(error);
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
    this.#bell.ring();
    this.#options.onFault(asTidingError(error));
  }
}

/** A task whose end could not be told comes again, and whoever gets it finds in the log what there is to do. */
async function settled(told: Promise<void>): Promise<void> {
  try {
    await told;
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
  }
}

function failingAlike(rows: readonly OutputRow[]): TidingError {
  const engine = rows[0]?.engine;
  return new TidingError(
    "ROWS_FAIL_ALIKE",
    `The first rows all fail with ${engine?.error_code}: ${engine?.error_message}`,
    {
      mend: "Mend the cause and run the same command again: none of these rows was recorded. `run.stop_after_alike: 0` lets the job go on.",
    },
  );
}

/** About how many bytes the rows take in a batch; strings are what counts. */
function sizeOf(rows: readonly OutputRow[]): number {
  let bytes = 0;
  for (const { values } of rows) {
    bytes += 200;
    for (const name in values) {
      const value = values[name];
      bytes += typeof value === "string" ? value.length : value instanceof Uint8Array ? value.byteLength : 16;
    }
  }
  return bytes;
}
