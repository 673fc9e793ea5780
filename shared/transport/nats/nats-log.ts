/**
 * The commit log: one stream, a subject for each shard, appended by compare-and-swap on the shard's last sequence. An
 * acknowledged append survives the server's death; the server's machine must be told to sync (`sync_interval: always`)
 * for it to survive a power loss, and what a rollback takes is noticed by positions.
 */
import type { JetStreamClient, JetStreamManager, MsgRequest, StoredMsg } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { TransportError, type CommitLog, type JobKey, type LogEntry, type Position } from "../transport.ts";
import { contentName, readPosition, streamName, toPosition } from "./log-position.ts";
import type { NatsCalls } from "./nats-calls.ts";
import { API_CODE, apiCode, assertFits, assertOpen } from "./nats-errors.ts";
import { shardOf, type NatsNames } from "./nats-names.ts";
import { Hints, readLog, type LogSource } from "./read-log.ts";
import { MAX_MESSAGE_BYTES } from "./streams.ts";
import { WholeStreams } from "./whole-streams.ts";

export interface NatsLogOptions {
  readonly control: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly names: NatsNames;
  readonly calls: NatsCalls;
  /** When the stream was created, as the server says it. */
  readonly created: string;
}

export class NatsLog implements CommitLog {
  readonly #options: NatsLogOptions;
  readonly #calls: NatsCalls;
  readonly #streams: WholeStreams;
  #stream: string;

  constructor(options: NatsLogOptions) {
    this.#options = options;
    this.#calls = options.calls;
    this.#streams = new WholeStreams(options.manager, options.calls.health);
    this.#stream = streamName(options.names.log, options.created);
  }

  async tail(job: JobKey, shard: number): Promise<LogEntry | null> {
    const subject = this.#options.names.subject("log", job, shard);
    const message = await this.#messageBy({ last_by_subj: subject });
    return message === null ? null : this.#entryOf(job, message);
  }

  async append(job: JobKey, shard: number, after: Position | null, body: Uint8Array): Promise<Position> {
    assertOpen(this.#calls.closing);
    assertFits(body, MAX_MESSAGE_BYTES);
    const { client, names } = this.#options;
    const content = contentName(job, shard, body);
    const last = after === null ? 0 : this.#sequenceOf(after);
    if (last !== null) {
      try {
        const { seq } = await this.#calls.write(names.log, "Appending to the log", () =>
          client.publish(names.subject("log", job, shard), body, { expect: { lastSubjectSequence: last } }),
        );
        return toPosition({ sequence: seq, content, stream: this.#stream });
      } catch (error) {
        if (!isWrongLast(error)) throw error;
      }
    }
    const tail = await this.tail(job, shard);
    // Refused for one that was on its way and did not come.
    if (tail?.position === (after ?? undefined)) throw new TransportError("unknown", "Another append was under way.");
    throw new TransportError("conflict", `The log of shard ${shard} of ${job} ends elsewhere.`, { tail });
  }

  async *read(job: JobKey, from: Position | null, signal: AbortSignal): AsyncGenerator<LogEntry, void, void> {
    assertOpen(this.#calls.closing);
    const { control, manager, names } = this.#options;
    const subject = names.subject("log", job);
    const hints = new Hints();
    const source: LogSource = {
      calls: this.#calls,
      hints,
      firstFrom: async (sequence) => {
        const query = { seq: sequence, next_by_subj: subject };
        const message = await this.#calls.once("Reading the log", () => manager.direct.getMessage(names.log, query));
        return message === null ? null : { sequence: message.seq, entry: this.#entryOf(job, message) };
      },
      verify: (position) => this.verify(job, position),
      sequenceOf: (position) => readPosition(position)?.sequence ?? 0,
      onRolledBack: () => this.#calls.health.tell("rolled-back"),
    };
    const subscription = control.subscribe(subject, { callback: () => hints.ring() });
    try {
      yield* readLog(source, from, signal);
    } finally {
      subscription.unsubscribe();
    }
  }

  async verify(job: JobKey, position: Position): Promise<boolean> {
    assertOpen(this.#calls.closing);
    const { manager, names } = this.#options;
    const info = await this.#calls.repeat("Looking at the log", () => manager.streams.info(names.log));
    this.#stream = streamName(names.log, info.created);
    const sequence = this.#sequenceOf(position);
    if (sequence === null || sequence > info.state.last_seq) return false;
    const message = await this.#messageBy({ seq: sequence });
    return message === null || this.#entryOf(job, message).position === position;
  }

  async trim(job: JobKey, shard: number): Promise<void> {
    await this.#purge({ filter: this.#options.names.subject("log", job, shard), keep: 1 });
  }

  async forget(job: JobKey, shard: number): Promise<void> {
    await this.#purge({ filter: this.#options.names.subject("log", job, shard) });
  }

  async drop(job: JobKey): Promise<void> {
    await this.#purge({ filter: this.#options.names.subject("log", job) });
  }

  /** By the leader: a direct get of a replica may be behind. */
  async #messageBy(query: MsgRequest): Promise<StoredMsg | null> {
    const { manager, names } = this.#options;
    return await this.#calls.repeat("Reading the log", () =>
      this.#streams.ask(names.log, () => manager.streams.getMessage(names.log, query)),
    );
  }

  async #purge(what: { readonly filter: string; readonly keep?: number }): Promise<void> {
    const { manager, names } = this.#options;
    await this.#calls.repeat("Trimming the log", () => manager.streams.purge(names.log, { ...what }));
  }

  #sequenceOf(position: Position): number | null {
    const place = readPosition(position);
    return place === null || place.stream !== this.#stream ? null : place.sequence;
  }

  #entryOf(job: JobKey, message: Pick<StoredMsg, "subject" | "seq" | "data">): LogEntry {
    const shard = shardOf(message.subject);
    const body = new Uint8Array(message.data);
    // Another job's entry at this sequence must not pass for this one's.
    const owner = message.subject === this.#options.names.subject("log", job, shard) ? job : message.subject;
    const content = contentName(owner, shard, body);
    return { job, shard, position: toPosition({ sequence: message.seq, content, stream: this.#stream }), body };
  }
}

/** What the server answers when the shard's last message is another; found beneath what `once` makes of it. */
function isWrongLast(error: unknown): boolean {
  const code = error instanceof TransportError ? apiCode(error.cause) : null;
  return code === API_CODE.wrongLastSequence || code === API_CODE.wrongLastSequenceUnknown;
}
