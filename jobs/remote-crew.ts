/**
 * The workers of a job that may be anywhere. The job is made known to them by its record; what they say of themselves is
 * summed up here. A worker that has been silent for long is no longer counted on, but what it did stays counted.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { asTidingError, isTidingError, TidingError } from "../shared/errors.ts";
import { sumCalls } from "../shared/observe/call-counts.ts";
import { decodeJobRecord, encodeJobRecord, jobRecordKey, type JobRecord } from "../shared/protocol/job-record.ts";
import {
  decodeWorkerRecord,
  WORKER_RECORDS,
  type WorkerJob,
  type WorkerRecord,
} from "../shared/protocol/worker-record.ts";
import {
  isPassing,
  TransportError,
  type FullStore,
  type JobKey,
  type Transport,
  type VersionedState,
} from "../shared/transport/transport.ts";
import { sumSlotUse } from "../worker/endpoints/slot-use.ts";
import type { Crew, CrewNumbers } from "./crew.ts";

/** A worker tells of itself every second; one that was silent for this long is taken for gone. */
const SILENT_MS = 15_000;
const LOOK_MS = 100;
/** How often it is said again that the job runs, while nobody is heard. */
const CALL_MS = 5_000;
/** How long beyond their grace workers are waited for. */
const PATIENCE_MS = 10_000;
const LAST_WORD_MS = 3_000;

export interface RemoteCrewOptions {
  readonly transport: Transport;
  readonly job: JobKey;
  readonly record: Omit<JobRecord, "version" | "state" | "run">;
  readonly onFault: (error: TidingError) => void;
  readonly onNotice: (notice: string) => void;
  /** From then on what the broker does not take is given up. */
  readonly givesUp: AbortSignal;
}

interface Member {
  readonly record: WorkerRecord;
  readonly work: WorkerJob;
  readonly heardAtMs: number;
}

export class RemoteCrew implements Crew {
  readonly #options: RemoteCrewOptions;
  readonly #run = randomUUID();
  readonly #members = new Map<string, Member>();
  /** The job is not to be gone on with. */
  readonly #leaving = new AbortController();
  readonly #closed = new AbortController();
  readonly #noticed = new Set<string>();
  readonly #startedMs = performance.now();
  #watching: Promise<unknown> = Promise.resolve();
  /** What was last to be announced; what came before is given up. */
  #announced = 0;
  #isBrokerDown = false;
  #full: FullStore | null = null;
  readonly #unlisten: () => void;

  private constructor(options: RemoteCrewOptions) {
    this.#options = options;
    this.#unlisten = options.transport.onHealth((health, full) => {
      if (health === "up" || health === "down") this.#isBrokerDown = health === "down";
      if (health === "full" || health === "room") this.#full = full;
    });
  }

  /**
   * Makes the job known as running. Throws `OWNERSHIP_LOST` when a later owner of the output did so before, and the reason of
   * `asked` when asked to leave while the broker takes nothing.
   */
  static async muster(options: RemoteCrewOptions, asked = options.givesUp): Promise<RemoteCrew> {
    const crew = new RemoteCrew(options);
    try {
      await crew.#announce("running", options.record.graceMs, asked);
    } catch (error) {
      crew.#unlisten();
      if (error instanceof TransportError) asked.throwIfAborted();
      throw error;
    }
    crew.#watching = Promise.all([crew.#watch(), crew.#call()]);
    return crew;
  }

  get slots(): number {
    return this.#present().reduce((sum, { work }) => sum + work.slots, 0);
  }

  /** Workers that work on the job now. */
  get workers(): number {
    return this.#present().filter(({ work }) => work.state === "working").length;
  }

  numbers(): CrewNumbers {
    const all = [...this.#members.values()].map(({ work }) => work);
    const present = this.#present().map(({ work }) => work);
    return {
      accepted: all.reduce((sum, work) => sum + work.accepted, 0),
      failed: all.reduce((sum, work) => sum + work.failed, 0),
      rowsRunning: present.reduce((sum, work) => sum + work.rowsRunning, 0),
      hasStartedAll: present.every((work) => work.hasStartedAll),
      calls: sumCalls(all.map((work) => work.calls)),
      endpoints: joinEndpoints(present),
      slotUse: sumSlotUse(all.map((work) => work.slotUse)),
      waitingFor: this.#waitingFor(present),
      trouble: this.#trouble(),
    };
  }

  async drain(graceMs: number, now: AbortSignal): Promise<void> {
    try {
      await this.#drain(graceMs, now);
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      const why = error.full?.message ?? "The broker cannot be reached.";
      this.#notice(`${why} The workers were not told that the job is interrupted.`);
    }
  }

  async #drain(graceMs: number, now: AbortSignal): Promise<void> {
    this.#leaving.abort();
    const isNow = (): boolean => graceMs === 0 || now.aborted;
    let hurries = isNow();
    await this.#announce("paused", hurries ? 0 : graceMs);
    const until = performance.now() + graceMs + PATIENCE_MS;
    while (this.#present().some(isEngaged) && performance.now() < until) {
      await delay(LOOK_MS);
      if (hurries || !isNow()) continue;
      hurries = true;
      await this.#announce("paused", 0);
    }
  }

  /** Makes known that nothing is left to be done, and stops listening. */
  async dismiss(): Promise<void> {
    this.#leaving.abort();
    await this.#announce("over", 0);
    // For their last numbers.
    const until = performance.now() + LAST_WORD_MS;
    while (this.#present().some(isEngaged) && performance.now() < until) await delay(LOOK_MS);
    await this.close();
  }

  async close(): Promise<void> {
    this.#leaving.abort();
    this.#closed.abort();
    this.#unlisten();
    await this.#watching;
  }

  async #announce(
    state: JobRecord["state"],
    graceMs: number,
    givesUp: AbortSignal = this.#options.givesUp,
  ): Promise<void> {
    const { transport, job, record } = this.#options;
    this.#announced += 1;
    const turn = this.#announced;
    const key = jobRecordKey(job);
    // Of a job that is over, only that is kept.
    const told = state === "over" ? { ...record, spec: {}, inputColumns: [], code: [] } : record;
    const body = encodeJobRecord({ ...told, graceMs, state, run: this.#run });
    while (turn === this.#announced) {
      const known = await transport.state.get(key);
      if (known !== null && epochOf(known.value) > record.epoch) throw takenOver(job);
      try {
        await transport.state.swap(key, body, known?.version ?? null);
        return;
      } catch (error) {
        // What came between was its own try, or its successor's: look again.
        const isConflict = error instanceof TransportError && error.fault === "conflict";
        if (!isConflict && (givesUp.aborted || !isPassing(error))) throw error;
        await delay(LOOK_MS);
      }
    }
  }

  /** Nobody may be heard because nobody can write: a store that takes nothing from workers shows here too, by writing. */
  async #call(): Promise<void> {
    const { record, givesUp, onFault } = this.#options;
    const { signal } = this.#leaving;
    try {
      for (;;) {
        await delay(CALL_MS, undefined, { signal });
        if (this.#present().length === 0) await this.#announce("running", record.graceMs);
      }
    } catch (error) {
      if (!signal.aborted && !givesUp.aborted) onFault(asTidingError(error));
    }
  }

  async #watch(): Promise<void> {
    const { transport, onFault } = this.#options;
    try {
      for await (const state of transport.state.watch(WORKER_RECORDS, this.#closed.signal)) this.#read(state);
    } catch (error) {
      if (!this.#closed.signal.aborted) onFault(asTidingError(error));
    }
  }

  #read({ key, value }: VersionedState): void {
    try {
      const record = decodeWorkerRecord(value);
      const work = record.jobs.find((each) => each.job === this.#options.job && each.run === this.#run);
      if (work !== undefined) this.#hear({ record, work, heardAtMs: performance.now() });
    } catch (error) {
      if (!isTidingError(error)) throw error;
      this.#notice(`Worker ${key.slice(WORKER_RECORDS.length)} is not counted. ${error.message} ${error.mend ?? ""}`);
    }
  }

  #hear(member: Member): void {
    const { record, work } = member;
    this.#members.set(record.worker, member);
    if (work.error === null) return;
    const error = new TidingError(work.error.code, work.error.message, {
      ...(work.error.mend === null ? {} : { mend: work.error.mend }),
      ...(work.error.place === null ? {} : { place: work.error.place }),
    });
    // What one worker lacks, another may have; what is wrong with the job is wrong everywhere.
    const isLast = this.#present().every((each) => each.work.error !== null);
    if (error.class === "job" || (isLast && work.state === "faulted")) this.#options.onFault(error);
    else this.#notice(`Worker ${record.worker} takes no rows: ${error.message} ${error.mend ?? ""}`);
  }

  #waitingFor(present: readonly WorkerJob[]): string | null {
    const working = present.filter((work) => work.state === "working");
    if (working.length > 0) {
      const waiting = working.map((work) => work.waitingFor);
      return waiting.every((each) => each !== null) ? (waiting[0] ?? null) : null;
    }
    if (performance.now() - this.#startedMs < 3_000 || this.#closed.signal.aborted) return null;
    const [first] = present.flatMap((work) => (work.error === null ? [] : [work.error.message]));
    return `No worker works on this job. ${first ?? "Start one with: tiding worker --broker URL"}`;
  }

  #trouble(): string | null {
    if (this.#isBrokerDown) return "The broker cannot be reached; the job goes on when it is back.";
    return this.#full === null ? null : `${this.#full.message} ${this.#full.mend}`;
  }

  #present(): readonly Member[] {
    const nowMs = performance.now();
    return [...this.#members.values()].filter(
      ({ record, heardAtMs }) => record.state !== "left" && nowMs - heardAtMs < SILENT_MS,
    );
  }

  #notice(notice: string): void {
    if (this.#noticed.has(notice)) return;
    this.#noticed.add(notice);
    this.#options.onNotice(notice);
  }
}

/** 0 for a record of another version of Tiding: whoever owns the output now may replace that. */
function epochOf(record: Uint8Array): number {
  try {
    return decodeJobRecord(record).epoch;
  } catch (error) {
    if (!isTidingError(error)) throw error;
    return 0;
  }
}

function takenOver(job: JobKey): TidingError {
  return new TidingError("OWNERSHIP_LOST", `Another process took job ${job} over while this one was silent.`, {
    mend: "Nothing is lost. Let the other process finish; `tiding status` shows it.",
  });
}

function isEngaged({ work }: Member): boolean {
  return work.state === "working" || work.state === "opening";
}

/** Slots of one endpoint that several workers use are added up; it is open for the job while it is for any. */
function joinEndpoints(works: readonly WorkerJob[]): CrewNumbers["endpoints"] {
  const joined = new Map<string, CrewNumbers["endpoints"][number]>();
  for (const endpoint of works.flatMap((work) => work.endpoints)) {
    const known = joined.get(endpoint.endpoint);
    joined.set(
      endpoint.endpoint,
      known === undefined
        ? endpoint
        : {
            ...(endpoint.circuit === "closed" ? endpoint : known),
            slots: known.slots + endpoint.slots,
            inUse: known.inUse + endpoint.inUse,
          },
    );
  }
  return [...joined.values()];
}
