/**
 * A process that works: it takes part in every job that the broker knows, tells how they go, and leaves when it is drained.
 *
 *   job records ──watched──► hosted jobs ──each second──► worker record
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { asTidingError, isTidingError, messageOf, type TidingError } from "../shared/errors.ts";
import { decodeJobRecord, JOB_RECORDS } from "../shared/protocol/job-record.ts";
import { decodeProbe, encodeProbeAnswer, PROBE_ANSWERS, PROBES } from "../shared/protocol/probe-record.ts";
import type { StepListener } from "../shared/protocol/protocol-step.ts";
import {
  encodeWorkerRecord,
  workerRecordKey,
  type WorkerJob,
  type WorkerRecord,
} from "../shared/protocol/worker-record.ts";
import { patientTransport } from "../shared/transport/patient-transport.ts";
import {
  TransportError,
  type FullStore,
  type JobKey,
  type StateStore,
  type Transport,
  type VersionedState,
} from "../shared/transport/transport.ts";
import { answerProbe } from "./answer-probe.ts";
import { HostedJob } from "./hosted-job.ts";
import type { Surroundings } from "./open-recorded.ts";

const REPORT_MS = 1_000;
const AGAIN_MS = 30_000;
/** How long beyond a job's grace a broker is waited for that cannot be reached. */
const PATIENCE_MS = 10_000;

export interface WorkerHostOptions {
  readonly transport: Transport;
  readonly surroundings: Surroundings;
  readonly leaseMs: number;
  /** Works on this job alone. */
  readonly only?: JobKey;
  /** How long after a refusal or a fault a job is tried again; 30 s when absent. */
  readonly retryMs?: number;
  readonly onNotice?: ((notice: string) => void) | undefined;
  /** Called with what keeps this worker from all work. */
  readonly onFault: (error: TidingError) => void;
  readonly onStep?: StepListener | undefined;
}

export class WorkerHost {
  readonly id = `${hostname()
    .replaceAll(/[^A-Za-z0-9_-]/g, "-")
    .slice(0, 40)}-${process.pid}-${randomBytes(3).toString("hex")}`;
  readonly #options: WorkerHostOptions;
  readonly #jobs = new Map<JobKey, HostedJob>();
  readonly #left = new AbortController();
  /** Ends the patience with a broker that cannot be reached. */
  readonly #givesUp = new AbortController();
  readonly #transport: Transport;
  readonly #startedAt = Date.now();
  readonly #watching: Promise<unknown>;
  readonly #reporting: Promise<void>;
  #state: WorkerRecord["state"] = "working";
  /** Of this worker's record; undefined when it must be looked up. */
  #version: number | null | undefined = null;
  #tellNow = new AbortController();
  /** Of jobs that are over. */
  #rowsBefore = 0;
  readonly #noticed = new Set<string>();
  readonly #unlisten: () => void;
  /** What takes nothing of what this worker writes. */
  #full: FullStore | null = null;

  constructor(options: WorkerHostOptions) {
    this.#options = options;
    this.#unlisten = options.transport.onHealth((health, full) => {
      if (health === "full" || health === "room") this.#full = full;
    });
    this.#transport = patientTransport(options.transport, this.#givesUp.signal);
    const probes = options.only === undefined ? this.#watch(PROBES, (state) => this.#answer(state)) : null;
    this.#watching = Promise.all([this.#watch(JOB_RECORDS, (state) => this.#follow(state)), probes]);
    this.#reporting = this.#reportAgain();
  }

  get jobs(): readonly HostedJob[] {
    return [...this.#jobs.values()];
  }

  /** Rows that were finished here. */
  get rows(): number {
    return this.jobs.reduce((sum, job) => sum + job.rows, this.#rowsBefore);
  }

  /**
   * Takes no more rows; those that run are given their job's grace, what is finished is committed and the rest handed back
   * at once. Aborting `now` ends the grace. Idempotent.
   */
  async drain(now: AbortSignal): Promise<void> {
    this.#state = "draining";
    this.#tellNow.abort();
    const impatience = new AbortController();
    now.addEventListener("abort", () => this.#giveUpIn(PATIENCE_MS, impatience.signal), { once: true });
    await Promise.all(
      this.jobs.map((job) => {
        this.#giveUpIn(job.graceMs + PATIENCE_MS, impatience.signal);
        return job.leave(now);
      }),
    );
    impatience.abort();
    this.#state = "left";
    this.#left.abort();
    await Promise.all([this.#watching, this.#reporting]);
    this.#unlisten();
  }

  #giveUpIn(ms: number, unless: AbortSignal): void {
    delay(ms, undefined, { signal: unless, ref: false }).then(
      () => this.#givesUp.abort(),
      () => undefined,
    );
  }

  /** What comes is told apart by its form: a record of another protocol version is remarked upon and passed over. */
  async #watch(prefix: string, take: (state: VersionedState) => void): Promise<void> {
    try {
      for await (const state of this.#transport.state.watch(prefix, this.#left.signal)) {
        try {
          take(state);
        } catch (error) {
          if (!isTidingError(error)) throw error;
          this.#notice(`${state.key}: ${error.message} ${error.mend ?? ""}`);
        }
      }
    } catch (error) {
      if (this.#left.signal.aborted) return;
      this.#options.onFault(asTidingError(error));
    }
  }

  #follow({ key, value }: VersionedState): void {
    const job = key.slice(JOB_RECORDS.length);
    const transport = this.#transport;
    const { only, surroundings, leaseMs, retryMs = AGAIN_MS, onStep } = this.#options;
    if (this.#state !== "working" || (only !== undefined && only !== job)) return;
    const record = decodeJobRecord(value);
    const known = this.#jobs.get(job);
    if (known !== undefined) known.follow(record);
    else if (record.state === "running") {
      const onNotice = (notice: string): void => this.#notice(notice);
      const onChange = (): void => this.#tellNow.abort();
      const options = { worker: this.id, transport, surroundings, leaseMs, retryMs, onNotice, onChange, onStep };
      this.#jobs.set(job, new HostedJob(job, record, options));
    }
  }

  #answer({ key, value }: VersionedState): void {
    const probe = decodeProbe(value);
    const { state } = this.#transport;
    const answered = async (): Promise<void> => {
      const answer = await answerProbe(probe, this.#options.surroundings, this.#left.signal);
      if (answer.error !== null) this.#notice(`Job ${probe.name} cannot be taken: ${answer.error}`);
      const answerKey = `${PROBE_ANSWERS}${key.slice(PROBES.length)}.${this.id}`;
      const body = encodeProbeAnswer({ worker: this.id, ...answer });
      while (!(await isTold(state, answerKey, body))) await delay(REPORT_MS, undefined, { signal: this.#left.signal });
    };
    answered().catch((error: unknown) => {
      if (!this.#left.signal.aborted) this.#notice(`A probe could not be answered: ${messageOf(error)}`);
    });
  }

  /** The same remark once, however often it is come by. */
  #notice(notice: string): void {
    if (this.#noticed.has(notice)) return;
    this.#noticed.add(notice);
    this.#options.onNotice?.(notice);
  }

  async #reportAgain(): Promise<void> {
    while (!this.#left.signal.aborted) {
      await this.#report();
      this.#tellNow = new AbortController();
      await delay(REPORT_MS, undefined, {
        signal: AbortSignal.any([this.#left.signal, this.#tellNow.signal]),
      }).catch(() => undefined);
    }
    await this.#report();
  }

  async #report(): Promise<void> {
    // Not the patient one: what is told late is told again a second later.
    const { state } = this.#options.transport;
    const key = workerRecordKey(this.id);
    const over = this.jobs.filter((job) => job.isOver);
    const record = encodeWorkerRecord({
      worker: this.id,
      host: hostname(),
      pid: process.pid,
      startedAt: this.#startedAt,
      at: Date.now(),
      state: this.#state,
      jobs: this.jobs.map((job) => withFull(job.report(), this.#full)),
    });
    try {
      if (this.#version === undefined) this.#version = (await state.get(key))?.version ?? null;
      this.#version = await state.swap(key, record, this.#version);
      // Their last numbers are told.
      for (const job of over) {
        this.#rowsBefore += job.rows;
        this.#jobs.delete(job.job);
      }
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      // The next report is a second away.
      this.#version = undefined;
    }
  }
}

/** False when it must be said again; nobody else writes under this key. */
async function isTold(state: StateStore, key: string, body: Uint8Array): Promise<boolean> {
  try {
    await state.swap(key, body, null);
    return true;
  } catch (error) {
    if (!(error instanceof TransportError) || error.fault === "closed") throw error;
    return error.fault === "conflict";
  }
}

/** What this worker's rows wait for before all else. */
function withFull(report: WorkerJob, full: FullStore | null): WorkerJob {
  return full === null || report.state !== "working"
    ? report
    : { ...report, waitingFor: `${full.message} ${full.mend}` };
}
