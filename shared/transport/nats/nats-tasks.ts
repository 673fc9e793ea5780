/**
 * The task queue: a work-queue stream, with one durable consumer for each job.
 *
 *   put ──► stream ──pull──► claimed ──+ACK──► gone          beat: +WPI, and a plain message for `isPending`
 *             ▲                 │ the lease runs out, -NAK
 *             └─────────────────┘
 *
 * Who puts creates the consumer; who claims only asks it. A killed server keeps messages that were acknowledged, so that
 * neither their presence nor the stream's count is believed: see `isPending`.
 */
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { TransportError, type Claim, type JobKey, type TaskQueue } from "../transport.ts";
import { HeardBeats } from "./heard-beats.ts";
import type { NatsCalls } from "./nats-calls.ts";
import { NatsClaim } from "./nats-claim.ts";
import { API_CODE, assertFits, assertOpen, asTransportError, ignoreCode } from "./nats-errors.ts";
import type { NatsNames } from "./nats-names.ts";
import { pullTask, type PullAnswer } from "./pull-task.ts";
import { MAX_MESSAGE_BYTES } from "./streams.ts";
import { TaskConsumers } from "./task-consumers.ts";

/** A pull that outlives its asker takes a task hostage for a moment: the shorter, the fewer. */
const LONGEST_PULL_MS = 5_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

export interface NatsTasksOptions {
  readonly control: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly names: NatsNames;
  readonly calls: NatsCalls;
  readonly leaseMs: number;
}

export class NatsTasks implements TaskQueue {
  readonly #options: NatsTasksOptions;
  readonly #calls: NatsCalls;
  readonly #consumers: TaskConsumers;
  readonly #beats = new Map<JobKey, HeardBeats>();
  /** Jobs whose consumer answered the last claim. */
  readonly #answering = new Set<JobKey>();

  constructor(options: NatsTasksOptions) {
    this.#options = options;
    this.#calls = options.calls;
    this.#consumers = new TaskConsumers(options);
  }

  async put(job: JobKey, shard: number, body: Uint8Array): Promise<void> {
    assertOpen(this.#calls.closing);
    assertFits(body, MAX_MESSAGE_BYTES);
    const { client, names } = this.#options;
    this.#beatsOf(job);
    await this.#consumers.ensure(job);
    await this.#calls.write(names.tasks, "Putting a task", () =>
      client.publish(names.subject("task", job, shard), body),
    );
  }

  async claim(job: JobKey, options: { readonly waitMs: number; readonly signal?: AbortSignal }): Promise<Claim | null> {
    const { closing, now, random } = this.#calls;
    assertOpen(closing);
    const { waitMs, signal } = options;
    const deadline = now() + waitMs;
    let pauseMs = FIRST_PAUSE_MS;
    for (;;) {
      if (closing.aborted || signal?.aborted === true) return null;
      const left = Math.max(0, deadline - now());
      const answer = await this.#pull(job, Math.min(left, LONGEST_PULL_MS), signal);
      if (typeof answer !== "string") return this.#claimOf(job, answer);
      if (now() >= deadline) return null;
      if (answer !== "away") continue;
      // Not all at once, when a broker comes back.
      await this.#calls.pause(Math.min(deadline - now(), pauseMs * (0.5 + random())), signal);
      pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs);
    }
  }

  async counts(job: JobKey): Promise<{ readonly ready: number; readonly inFlight: number }> {
    const info = await this.#consumers.info(job);
    return { ready: info?.num_pending ?? 0, inFlight: info?.num_ack_pending ?? 0 };
  }

  /**
   * Messages up to the consumer's ack floor are not pending: a killed server forgets acknowledgements, but not how far it
   * had come. Of those that were delivered beats tell; those behind wait.
   */
  async isPending(job: JobKey, shard: number): Promise<boolean> {
    assertOpen(this.#calls.closing);
    const beats = this.#beatsOf(job);
    const info = await this.#consumers.recentInfo(job);
    const oldest = await this.#firstFrom(job, shard, (info?.ack_floor.stream_seq ?? 0) + 1);
    if (oldest === null) return false;
    if (info === null) {
      await this.#consumers.ensureAnew(job);
      return true;
    }
    const delivered = info.delivered.stream_seq;
    if (oldest > delivered || beats.mayBeAlive(shard)) return true;
    return (await this.#firstFrom(job, shard, delivered + 1)) !== null;
  }

  /**
   * By sequence: a purge by subject makes the consumer of an old server (before 2.10.11) skip tasks of other shards. The
   * oldest first: once the newest is gone, a 2.9 server does not find those before it.
   */
  async replace(job: JobKey, shard: number, body: Uint8Array): Promise<void> {
    assertOpen(this.#calls.closing);
    assertFits(body, MAX_MESSAGE_BYTES);
    const { manager, names } = this.#options;
    let sequence = await this.#firstFrom(job, shard, 1);
    while (sequence !== null) {
      const dropped = sequence;
      await this.#calls.repeat("Dropping a task", () =>
        manager.streams.deleteMessage(names.tasks, dropped, false).catch(ignoreCode(API_CODE.deleteFailed)),
      );
      sequence = await this.#firstFrom(job, shard, dropped + 1);
    }
    await this.put(job, shard, body);
  }

  async drop(job: JobKey): Promise<void> {
    assertOpen(this.#calls.closing);
    const { manager, names } = this.#options;
    this.#beats.get(job)?.close();
    this.#beats.delete(job);
    this.#answering.delete(job);
    await this.#consumers.drop(job);
    await this.#calls.repeat("Dropping tasks", () =>
      manager.streams.purge(names.tasks, { filter: names.subject("task", job) }),
    );
  }

  async #pull(job: JobKey, waitMs: number, signal: AbortSignal | undefined): Promise<PullAnswer> {
    const { closing, health } = this.#calls;
    if (!health.isUp) return "away";
    const { control, manager, names } = this.#options;
    const signals = [closing, health.session, ...(signal === undefined ? [] : [signal])];
    let answer: PullAnswer = "away";
    try {
      // An old server keeps silent about a consumer that is not there: ask before waiting for it.
      if (!this.#answering.has(job)) await manager.consumers.info(names.tasks, job);
      answer = await pullTask(control, { stream: names.tasks, name: job }, { waitMs, signals });
    } catch (error) {
      const failure = asTransportError(error, "Claiming a task");
      if (!(failure instanceof TransportError)) throw failure;
    }
    if (answer === "away") this.#answering.delete(job);
    else this.#answering.add(job);
    return answer;
  }

  #claimOf(job: JobKey, message: Msg): Claim {
    const { control, names } = this.#options;
    return new NatsClaim(message, {
      control,
      calls: this.#calls,
      isGone: async () => (await this.#consumers.info(job)) === null,
      onBeat: (shard) => {
        if (!control.isClosed()) control.publish(names.subject("beat", job, shard));
      },
    });
  }

  #beatsOf(job: JobKey): HeardBeats {
    const known = this.#beats.get(job);
    if (known !== undefined) return known;
    const { control, names, leaseMs } = this.#options;
    const { health, now } = this.#calls;
    const beats = new HeardBeats(control, names.subject("beat", job), { health, leaseMs, now });
    this.#beats.set(job, beats);
    return beats;
  }

  /** Where the shard's first message at that sequence or behind it lies. */
  async #firstFrom(job: JobKey, shard: number, sequence: number): Promise<number | null> {
    const { manager, names } = this.#options;
    const query = { seq: sequence, next_by_subj: names.subject("task", job, shard) };
    const message = await this.#calls.repeat("Looking for a task", () => manager.direct.getMessage(names.tasks, query));
    return message?.seq ?? null;
  }
}
