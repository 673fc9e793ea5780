import { AckPolicy, DeliverPolicy, type ConsumerInfo, type JetStreamManager } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { JobKey } from "../transport.ts";
import type { NatsCalls } from "./nats-calls.ts";
import { API_CODE, ignoreCode } from "./nats-errors.ts";
import type { NatsNames } from "./nats-names.ts";

const MOST_IN_FLIGHT = 100_000;
const MOST_CLAIMERS = 4_096;
/** How old what is known of a consumer may be: a reconciler asks about many shards in a row. */
const INFO_AGE_MS = 250;
const STUCK_AFTER_MS = 60_000;

export interface TaskConsumersOptions {
  readonly manager: JetStreamManager;
  readonly names: NatsNames;
  readonly calls: NatsCalls;
  readonly leaseMs: number;
}

/** The durable consumers of the task stream: one for each job, called as the job. */
export class TaskConsumers {
  readonly #options: TaskConsumersOptions;
  readonly #made = new Map<JobKey, Promise<unknown>>();
  readonly #infos = new Map<JobKey, { readonly atMs: number; readonly info: Promise<ConsumerInfo | null> }>();
  readonly #heldBack = new Map<JobKey, { readonly sinceMs: number; readonly delivered: number }>();

  constructor(options: TaskConsumersOptions) {
    this.#options = options;
  }

  /** Asks the server once for each job; a consumer that is there already takes the lease over. */
  async ensure(job: JobKey): Promise<void> {
    const made = this.#made.get(job) ?? this.#add(job);
    this.#made.set(job, made);
    try {
      await made;
    } catch (error) {
      if (this.#made.get(job) === made) this.#made.delete(job);
      throw error;
    }
  }

  /** Where `ensure` trusted too long: a rollback of the broker's store, or another's drop, took the consumer. */
  async ensureAnew(job: JobKey): Promise<void> {
    this.#made.delete(job);
    await this.ensure(job);
  }

  /** Null when there is none. */
  async info(job: JobKey): Promise<ConsumerInfo | null> {
    const { calls, manager, names } = this.#options;
    return await calls.repeat("Asking about a queue", () =>
      manager.consumers.info(names.tasks, job).catch(ignoreCode(API_CODE.consumerNotFound)),
    );
  }

  /** As it was a moment ago at most. Makes a consumer anew that holds back what it should deliver. */
  async recentInfo(job: JobKey): Promise<ConsumerInfo | null> {
    const { now } = this.#options.calls;
    let known = this.#infos.get(job);
    if (known === undefined || now() - known.atMs >= INFO_AGE_MS) {
      known = { atMs: now(), info: this.info(job) };
      this.#infos.set(job, known);
    }
    const info = await known.info;
    if (info === null || !this.#isStuck(job, info)) return info;
    this.#heldBack.delete(job);
    await this.#delete(job);
    await this.ensureAnew(job);
    return await this.info(job);
  }

  async drop(job: JobKey): Promise<void> {
    for (const known of [this.#made, this.#infos, this.#heldBack]) known.delete(job);
    await this.#delete(job);
  }

  /**
   * Tasks wait, somebody asks, nobody works, and still nothing is delivered: seen on servers 2.9 to 2.12 (nats-server
   * issues 4168, 5839, 7680), and ended by making the consumer anew. Nothing is lost by that: what is unfinished comes again.
   */
  #isStuck(job: JobKey, info: ConsumerInfo): boolean {
    const { now } = this.#options.calls;
    const delivered = info.delivered.stream_seq;
    const isHeldBack = info.num_pending > 0 && info.num_waiting > 0 && info.num_ack_pending === 0;
    const before = this.#heldBack.get(job);
    if (!isHeldBack) this.#heldBack.delete(job);
    else if (before?.delivered !== delivered) this.#heldBack.set(job, { sinceMs: now(), delivered });
    else return now() - before.sinceMs >= STUCK_AFTER_MS;
    return false;
  }

  async #add(job: JobKey): Promise<void> {
    const { calls, manager, names, leaseMs } = this.#options;
    await calls.once("Setting up a queue", () =>
      manager.consumers.add(names.tasks, {
        durable_name: job,
        filter_subject: names.subject("task", job),
        deliver_policy: DeliverPolicy.All,
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(leaseMs),
        max_deliver: -1,
        max_ack_pending: MOST_IN_FLIGHT,
        max_waiting: MOST_CLAIMERS,
      }),
    );
  }

  async #delete(job: JobKey): Promise<void> {
    const { calls, manager, names } = this.#options;
    await calls.repeat("Dropping a queue", () =>
      manager.consumers.delete(names.tasks, job).catch(ignoreCode(API_CODE.consumerNotFound)),
    );
  }
}
