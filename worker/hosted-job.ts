/**
 * One job as a worker elsewhere serves it: its steps opened here, and rows worked on while its record says `running`.
 *
 *   opening ──► working ──► drained            the record says paused, over, or running again
 *      │           └──► faulted ──┐ after a while, unless the fault is the job's own
 *      └──► refused ──────────────┴──► opening
 *
 * Records are followed one after the other; a newer one ends the wait that an older one began.
 */
import { setTimeout as delay } from "node:timers/promises";
import { asTidingError, type TidingError } from "../shared/errors.ts";
import { emptyCalls, lessCalls, sumCalls } from "../shared/observe/call-counts.ts";
import type { CallCounts } from "../shared/observe/job-report.ts";
import type { JobRecord } from "../shared/protocol/job-record.ts";
import type { StepListener } from "../shared/protocol/protocol-step.ts";
import type { WorkerJob } from "../shared/protocol/worker-record.ts";
import type { JobKey, Transport } from "../shared/transport/transport.ts";
import { AlikeGuard } from "./alike-guard.ts";
import { resultSchema } from "./commit-rows.ts";
import { sumSlotUse, type SlotUse } from "./endpoints/slot-use.ts";
import { openRecorded, type Surroundings } from "./open-recorded.ts";
import type { OpenSteps } from "./open-steps.ts";
import { Worker } from "./worker.ts";

export interface HostedJobOptions {
  readonly worker: string;
  readonly transport: Transport;
  readonly surroundings: Surroundings;
  readonly leaseMs: number;
  /** How long after a refusal or a fault it is tried again. */
  readonly retryMs: number;
  readonly onNotice: (notice: string) => void;
  /** The state changed: worth telling at once. */
  readonly onChange: () => void;
  readonly onStep?: StepListener | undefined;
}

interface Work {
  readonly steps: OpenSteps;
  readonly worker: Worker;
}

interface Counts {
  readonly accepted: number;
  readonly failed: number;
  readonly calls: CallCounts;
  readonly slotUse: SlotUse;
}

const NOTHING: Counts = { accepted: 0, failed: 0, calls: emptyCalls(), slotUse: { inUseMs: 0, capacityMs: 0 } };

export class HostedJob {
  readonly job: JobKey;
  readonly #options: HostedJobOptions;
  #record: JobRecord;
  #work: Work | null = null;
  #state: WorkerJob["state"] = "opening";
  #error: TidingError | null = null;
  #rowsBefore = 0;
  /** Counts of work that is over, since `run` began. */
  #before = NOTHING;
  /** What the present work had counted when `run` began. */
  #atRun = NOTHING;
  /** Aborted when a newer record came. */
  #newer = new AbortController();
  /** Aborted when what runs is to end now. */
  #hurry = new AbortController();
  #following: Promise<void> = Promise.resolve();

  constructor(job: JobKey, record: JobRecord, options: HostedJobOptions) {
    this.job = job;
    this.#record = record;
    this.#options = options;
    this.follow(record);
  }

  /** Rows that were finished here, of any run. */
  get rows(): number {
    const { accepted = 0, failed = 0 } = this.#work?.worker ?? {};
    return this.#rowsBefore + accepted + failed;
  }

  /** Nothing of it is left to be done, here or anywhere. */
  get isOver(): boolean {
    return this.#record.state === "over" && this.#state === "drained";
  }

  get graceMs(): number {
    return this.#record.graceMs;
  }

  /** Takes the newest record of the job; what it asks for is done behind what is being done. */
  follow(record: JobRecord): void {
    const before = this.#record;
    this.#record = record;
    this.#newer.abort();
    this.#newer = new AbortController();
    const { signal } = this.#newer;
    const hasGrace = record.state === "running" || (record.state === "paused" && record.graceMs > 0);
    if (!hasGrace) this.#hurry.abort();
    else if (this.#hurry.signal.aborted) this.#hurry = new AbortController();
    if (record.run !== before.run) {
      this.#before = NOTHING;
      this.#atRun = this.#counted();
    }
    this.#following = this.#following.then(() => this.#do(record, before, signal));
  }

  /** Drains what runs, within the job's grace. Aborting `now` ends the grace. */
  async leave(now: AbortSignal): Promise<void> {
    this.#newer.abort();
    await this.#following;
    await this.#end(this.#record.graceMs, AbortSignal.any([now, this.#hurry.signal]));
  }

  report(): WorkerJob {
    const { steps, worker } = this.#work ?? {};
    const now = this.#counted();
    const { accepted, failed, calls, slotUse } = plus(this.#before, less(now, this.#atRun));
    const gateways = steps?.gateways ?? [];
    return {
      job: this.job,
      run: this.#record.run,
      state: this.#state,
      error:
        this.#error === null
          ? null
          : {
              code: this.#error.code,
              message: this.#error.message,
              mend: this.#error.mend ?? null,
              place: this.#error.place ?? null,
            },
      accepted,
      failed,
      rowsRunning: worker?.rowsRunning ?? 0,
      hasStartedAll: worker?.hasStartedAll ?? true,
      slots: steps?.slots ?? 0,
      calls,
      endpoints: gateways.flatMap((gateway) => gateway.endpoints().map((endpoint) => ({ ...endpoint }))),
      slotUse,
      waitingFor: gateways.map((gateway) => gateway.waitingFor()).find((waiting) => waiting !== null) ?? null,
    };
  }

  async #do(record: JobRecord, before: JobRecord, signal: AbortSignal): Promise<void> {
    // A still newer record says what is to be done in its place; only a pause must not be passed over.
    if (signal.aborted && record.state === "running") return;
    if (record.state !== "running") {
      await this.#end(record.state === "over" ? 0 : record.graceMs, this.#hurry.signal);
      this.#become("drained");
      return;
    }
    if (this.#work !== null && isSameWork(record, before)) return;
    await this.#end(0, this.#hurry.signal);
    await this.#begin(record, signal);
  }

  async #begin(record: JobRecord, signal: AbortSignal): Promise<void> {
    this.#become("opening");
    try {
      this.#work = await this.#open(record, signal);
      this.#become("working");
    } catch (error) {
      if (signal.aborted) return;
      this.#become("refused", asTidingError(error));
      this.#againLater(record, signal);
    }
  }

  async #open(record: JobRecord, signal: AbortSignal): Promise<Work> {
    const { transport, surroundings, leaseMs, worker, onStep } = this.#options;
    const { loaded, steps } = await openRecorded(record, surroundings);
    try {
      await steps.probe(signal);
      return {
        steps,
        worker: new Worker({
          id: worker,
          transport,
          job: this.job,
          pipeline: steps.pipeline(record.round),
          schema: resultSchema(steps.batchColumns),
          runsForeignCode: steps.runsForeignCode,
          flushIntervalMs: loaded.spec.run.flush_interval,
          leaseMs,
          guard: new AlikeGuard(loaded.spec.run.stop_after_alike, { settled: record.settled }),
          onFault: (error) => this.#faulted(error, record, signal),
          onStep,
        }),
      };
    } catch (error) {
      await steps[Symbol.asyncDispose]();
      throw error;
    }
  }

  #faulted(error: TidingError, record: JobRecord, signal: AbortSignal): void {
    this.#become("faulted", error);
    this.#following = this.#following.then(() => this.#end(record.graceMs, this.#hurry.signal));
    if (error.class !== "job") this.#againLater(record, signal);
  }

  #againLater(record: JobRecord, signal: AbortSignal): void {
    delay(this.#options.retryMs, undefined, { signal }).then(
      () => {
        this.#following = this.#following.then(() => (signal.aborted ? undefined : this.#begin(record, signal)));
      },
      // A newer record says what comes next.
      () => undefined,
    );
  }

  async #end(graceMs: number, now: AbortSignal): Promise<void> {
    const work = this.#work;
    if (work === null) return;
    await work.worker.drain(graceMs, now);
    this.#before = plus(this.#before, less(this.#counted(), this.#atRun));
    this.#rowsBefore = this.rows;
    this.#atRun = NOTHING;
    this.#work = null;
    await work.steps[Symbol.asyncDispose]();
  }

  #counted(): Counts {
    if (this.#work === null) return NOTHING;
    const { steps, worker } = this.#work;
    return {
      accepted: worker.accepted,
      failed: worker.failed,
      calls: sumCalls(steps.gateways.map((gateway) => gateway.counts())),
      slotUse: sumSlotUse(steps.gateways.map((gateway) => gateway.slotUse())),
    };
  }

  #become(state: WorkerJob["state"], error: TidingError | null = null): void {
    this.#state = state;
    this.#error = error;
    if (error !== null) {
      const mend = error.mend === undefined ? "" : ` ${error.mend}`;
      this.#options.onNotice(`Job ${this.#record.name} (${this.job}): ${error.message}${mend}`);
    }
    this.#options.onChange();
  }
}

function isSameWork(one: JobRecord, other: JobRecord): boolean {
  const workOf = ({ spec, folder, code, round, inputColumns }: JobRecord): string =>
    JSON.stringify({ spec, folder, code, round, inputColumns });
  return workOf(one) === workOf(other);
}

function plus(one: Counts, other: Counts): Counts {
  return {
    accepted: one.accepted + other.accepted,
    failed: one.failed + other.failed,
    calls: sumCalls([one.calls, other.calls]),
    slotUse: sumSlotUse([one.slotUse, other.slotUse]),
  };
}

function less(one: Counts, other: Counts): Counts {
  return {
    accepted: one.accepted - other.accepted,
    failed: one.failed - other.failed,
    calls: lessCalls(one.calls, other.calls),
    slotUse: {
      inUseMs: one.slotUse.inUseMs - other.slotUse.inUseMs,
      capacityMs: one.slotUse.capacityMs - other.slotUse.capacityMs,
    },
  };
}
