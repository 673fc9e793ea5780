/**
 * A coordinator's whole life: it stands by while another is at work, accepts and runs submitted jobs, and leaves them whole.
 *
 *   standing by ──lease──► at work ──asked──► draining ──► left
 *        ▲                    │ the lease is another's
 *        └────────────────────┘
 *
 * The lease only says who accepts jobs. That a job has one owner is seen to by its output.
 */
import { once } from "node:events";
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { TidingError } from "../shared/errors.ts";
import {
  coordinatorRecordKey,
  encodeCoordinatorRecord,
  type CoordinatorRecord,
} from "../shared/protocol/coordinator-record.ts";
import type { Standing } from "../shared/protocol/standing-record.ts";
import { TransportError, type Lease, type Transport } from "../shared/transport/transport.ts";
import { awaitBroker } from "./await-broker.ts";
import { BrokerTrouble } from "./broker-trouble.ts";
import { coordinatorAtWork } from "./broker-view.ts";
import type { EngineSettings } from "./engine-settings.ts";
import type { ProvisionOptions } from "./open-broker.ts";
import { OwnRecord } from "./own-record.ts";
import { SubmittedJobs } from "./submitted-jobs.ts";
import { tidyRecords } from "./tidy-records.ts";

const LEASE = "coordinator";
const LEASE_MS = 9_000;
const MAX_JOBS = 8;
const BEAT_MS = 1_000;
const LOOK_MS = 500;
const TIDY_MS = 600_000;
/** How long beyond the jobs' end a broker is waited for that cannot be reached. */
const PATIENCE_MS = 10_000;

export interface CoordinateOptions {
  readonly broker: ProvisionOptions;
  /** Variables of the specs that are resolved at the coordinator; secrets are the workers'. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** First abort: every job is drained within its grace, and left queued for the next coordinator. */
  readonly drain: AbortSignal;
  /** Stop now. */
  readonly stop: AbortSignal;
  /** Most jobs that run at a time; 8 when absent. */
  readonly maxJobs?: number;
  /** A job's standing changed, or its progress did: about once a second for each that runs. */
  readonly onStanding?: (standing: Standing, name: string) => void;
  readonly onNotice?: (notice: string) => void;
  /** What keeps it from its broker, in a sentence, whenever that changes; null while nothing does. */
  readonly onTrouble?: (trouble: string | null) => void;
  /** For tests: how long this coordinator may be silent before another takes over; 9 s when absent. */
  readonly leaseMs?: number;
  /** For tests. */
  readonly settings?: EngineSettings;
}

/** Resolves when it has left. A broker that is away is waited for. Throws what waiting does not mend. */
export async function coordinate(options: CoordinateOptions): Promise<void> {
  const asked = AbortSignal.any([options.drain, options.stop]);
  const { broker, onNotice = () => undefined, onTrouble } = options;
  const trouble = new BrokerTrouble({ onNotice, onChange: onTrouble });
  onTrouble?.(trouble.now);
  const role = { name: "tiding coordinator", provision: true };
  await using transport = await awaitBroker(broker, role, { asked, trouble });
  if (transport === null) return;
  const unfollow = trouble.follow(transport);
  const life = new CoordinatorLife(transport, options, asked);
  await life.live().finally(unfollow);
}

class CoordinatorLife {
  readonly #id = `${hostname()
    .replaceAll(/[^A-Za-z0-9_-]/g, "-")
    .slice(0, 40)}-${process.pid}-${randomBytes(3).toString("hex")}`;
  readonly #transport: Transport;
  readonly #options: CoordinateOptions;
  readonly #asked: AbortSignal;
  readonly #startedAt = Date.now();
  readonly #givesUp = new AbortController();
  readonly #failed = new AbortController();
  readonly #record: OwnRecord;
  #state: CoordinatorRecord["state"] = "standing-by";
  #jobs: SubmittedJobs | null = null;
  #noticed = "";

  constructor(transport: Transport, options: CoordinateOptions, asked: AbortSignal) {
    this.#transport = transport;
    this.#options = options;
    this.#asked = asked;
    this.#record = new OwnRecord({
      state: transport.state,
      key: coordinatorRecordKey(this.#id),
      givesUp: this.#givesUp.signal,
      onFault: (error) => this.#fail(error),
    });
  }

  async live(): Promise<void> {
    const beat = setInterval(() => this.#beat(), BEAT_MS);
    try {
      this.#beat();
      for (;;) {
        const lease = await this.#standBy();
        if (lease === null) break;
        await this.#work(lease);
        if (this.#asked.aborted) break;
      }
      this.#failed.signal.throwIfAborted();
    } finally {
      clearInterval(beat);
      this.#become("left");
      await this.#orGiveUp(this.#record.settled());
    }
  }

  /** Null when asked to leave. */
  async #standBy(): Promise<Lease | null> {
    this.#become("standing-by");
    while (!this.#asked.aborted && !this.#failed.signal.aborted) {
      const lease = await this.#tryLease();
      if (lease !== null && lease !== "unreachable") return lease;
      if (lease === null) await this.#sayWhoIsAtWork();
      await delay(LOOK_MS, undefined, { signal: this.#asked }).catch(() => undefined);
    }
    return null;
  }

  async #tryLease(): Promise<Lease | null | "unreachable"> {
    try {
      return await this.#transport.state.lease(LEASE, this.#options.leaseMs ?? LEASE_MS);
    } catch (error) {
      if (error instanceof TransportError && error.fault !== "closed") return "unreachable";
      throw error;
    }
  }

  async #sayWhoIsAtWork(): Promise<void> {
    const other = await coordinatorAtWork(this.#transport).catch((error: unknown) => {
      if (error instanceof TidingError && error.code === "BROKER_UNREACHABLE") return null;
      throw error;
    });
    if (other === null || other.coordinator === this.#id) return;
    const { host, pid, since } = other;
    this.#notice(
      `A coordinator is at work already: pid ${pid} on ${host}, since ${since}. Standing by to take over when it is gone.`,
    );
  }

  /** Until asked to leave, or until another coordinator is at work. */
  async #work(lease: Lease): Promise<void> {
    const { environment, settings, maxJobs = MAX_JOBS, stop, onStanding } = this.#options;
    const jobs = await SubmittedJobs.open({
      transport: this.#transport,
      coordinator: this.#id,
      epoch: lease.version,
      maxJobs,
      environment,
      settings,
      givesUp: this.#givesUp.signal,
      onStanding: (standing, name) => onStanding?.(standing, name),
      onNotice: (notice) => this.#notice(notice),
      onFault: (error) => this.#fail(error),
    });
    this.#jobs = jobs;
    this.#become("at-work");
    this.#notice(`Coordinator ${this.#id} is at work: it takes jobs, up to ${maxJobs} at a time.`);
    const tidy = setInterval(() => this.#tidy(), TIDY_MS);
    this.#tidy();
    let held: Lease | null = lease;
    while (held !== null) {
      await aborted(AbortSignal.any([this.#asked, this.#failed.signal, held.expired]));
      if (this.#asked.aborted || this.#failed.signal.aborted) break;
      held = await this.#takeBack();
      if (held !== null) jobs.epoch = held.version;
    }
    clearInterval(tidy);
    this.#become("draining");
    if (held === null) this.#notice("Another coordinator has taken over; the jobs here are handed to it.");
    await jobs.leave(stop);
    await this.#orGiveUp(jobs.settled());
    this.#jobs = null;
    await held?.release();
  }

  /** A lease that ran out while the broker was away is taken again, unless another was quicker: then null. */
  async #takeBack(): Promise<Lease | null> {
    for (;;) {
      const lease = await this.#tryLease();
      if (lease !== "unreachable") return lease;
      await delay(LOOK_MS, undefined, { signal: this.#asked }).catch(() => undefined);
      if (this.#asked.aborted) return null;
    }
  }

  #tidy(): void {
    tidyRecords(this.#transport.state).catch((error: unknown) => {
      // The next time is soon enough.
      if (!(error instanceof TransportError)) this.#fail(error);
    });
  }

  #become(state: CoordinatorRecord["state"]): void {
    this.#state = state;
    this.#beat();
  }

  #beat(): void {
    this.#record.set(
      encodeCoordinatorRecord({
        coordinator: this.#id,
        host: hostname(),
        pid: process.pid,
        startedAt: this.#startedAt,
        state: this.#state,
        jobs: this.#jobs?.running ?? 0,
        maxJobs: this.#options.maxJobs ?? MAX_JOBS,
      }),
    );
  }

  #fail(error: unknown): void {
    if (!this.#failed.signal.aborted) this.#failed.abort(error);
  }

  /** The same remark once in a row. */
  #notice(notice: string): void {
    if (notice === this.#noticed) return;
    this.#noticed = notice;
    this.#options.onNotice?.(notice);
  }

  async #orGiveUp(work: Promise<void>): Promise<void> {
    const done = new AbortController();
    delay(PATIENCE_MS, undefined, { signal: done.signal, ref: false }).then(
      () => this.#givesUp.abort(),
      () => undefined,
    );
    await work;
    done.abort();
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}
