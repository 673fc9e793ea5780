/**
 * Blobs in a JetStream stream with a budget (`max_bytes`, discard new): chunks of a message each, addressed by sequence.
 *
 * A ref names the sequences and a random key that every chunk carries, so that a message which came to lie under the same
 * sequence after a rollback is not taken for the chunk. What a failed put leaves behind goes with its shard.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { randomBytes } from "node:crypto";

import type { BlobRef, BlobStore, JobKey } from "../transport.ts";
import { ByteWindow } from "./byte-window.ts";
import type { FullStores } from "./full-stores.ts";
import { NatsCalls } from "./nats-calls.ts";
import { asTransportError, assertFits } from "./nats-errors.ts";
import { NatsHealth } from "./nats-health.ts";

export const MAX_BLOB_BYTES = 8 * 1024 * 1024;

const MAX_CHUNK_BYTES = 768 * 1024;
/** Room for headers in a message, which count towards the server's `max_payload`. */
const HEADER_BYTES = 1024;
/** Most bytes published and not acknowledged on a connection: the client itself would take any number into memory. */
const WINDOW_BYTES = 8 * 1024 * 1024;
const CHUNKS_FETCHED_AT_ONCE = 4;
const TIMEOUT_MS = 10_000;
const KEY_HEADER = "Tiding-Blob";
/** 16 letters. */
const KEY_BYTES = 12;

export interface NatsBlobsOptions {
  readonly connection: NatsConnection;
  /** Limits retention, discard new, `max_bytes` as the budget, `allow_direct`. */
  readonly stream: string;
  /** Of a shard's blobs. */
  readonly subject: (job: JobKey, shard: number) => string;
  /** Of the blobs of a group of shards; without a group, of all of the job's. */
  readonly filter: (job: JobKey, group?: number) => string;
  readonly fulls: FullStores;
}

/** One for each connection, whichever stores share it. */
const windows = new WeakMap<NatsConnection, ByteWindow>();

export class NatsBlobs implements BlobStore {
  readonly #connection: NatsConnection;
  readonly #stream: string;
  readonly #subject: NatsBlobsOptions["subject"];
  readonly #filter: NatsBlobsOptions["filter"];
  readonly #client: JetStreamClient;
  readonly #manager: Promise<JetStreamManager>;
  readonly #window: ByteWindow;
  readonly #closer = new AbortController();
  readonly #calls: NatsCalls;

  constructor({ connection, stream, subject, filter, fulls }: NatsBlobsOptions) {
    this.#connection = connection;
    this.#stream = stream;
    this.#subject = subject;
    this.#filter = filter;
    this.#client = jetstream(connection, { timeout: TIMEOUT_MS });
    this.#manager = jetstreamManager(connection, { timeout: TIMEOUT_MS, checkAPI: false });
    this.#window = windows.get(connection) ?? new ByteWindow(WINDOW_BYTES);
    windows.set(connection, this.#window);
    this.#calls = new NatsCalls({
      closing: this.#closer.signal,
      health: new NatsHealth([connection]),
      fulls,
      now: () => performance.now(),
      random: Math.random,
    });
  }

  /** Later calls reject with `closed`, and so do those under way. */
  close(): void {
    this.#closer.abort();
  }

  async put(job: JobKey, shard: number, bytes: Uint8Array): Promise<BlobRef> {
    assertFits(bytes, MAX_BLOB_BYTES);
    const subject = this.#subject(job, shard);
    const body = bytes.slice(); // What waits for the window must not change under the caller's hands.
    const key = randomBytes(KEY_BYTES).toString("base64url");
    // As a whole: where there is no room for a blob, its last chunk may still find some.
    const sequences = await this.#calls.watched(this.#stream, () => this.#store(subject, body, key));
    return `${key}:${sequences.join(",")}` as BlobRef;
  }

  async get(ref: BlobRef): Promise<Uint8Array | null> {
    const place = parseRef(ref);
    if (place === null) return null;
    const chunks = new Array<Uint8Array>(place.sequences.length);
    const left = place.sequences.entries();
    let isWhole = true;
    const fetchNext = async (): Promise<void> => {
      for (const [at, sequence] of left) {
        const chunk = isWhole ? await this.#fetch(sequence, place.key) : null;
        if (chunk === null) isWhole = false;
        else chunks[at] = chunk;
      }
    };
    await Promise.all(Array.from({ length: CHUNKS_FETCHED_AT_ONCE }, fetchNext));
    return isWhole ? joined(chunks) : null;
  }

  async drop(job: JobKey, shard: number, upTo?: BlobRef): Promise<void> {
    const filter = this.#subject(job, shard);
    if (upTo === undefined) return await this.#purge({ filter });
    const place = parseRef(upTo);
    if (place !== null) await this.#purge({ filter, seq: Math.max(...place.sequences) + 1 });
  }

  /** A purge reads every block of the stream that holds one of its messages anew, up to 8 MB each, however few they are. */
  async dropGroup(job: JobKey, group: number): Promise<void> {
    await this.#purge({ filter: this.#filter(job, group) });
  }

  async dropJob(job: JobKey): Promise<void> {
    await this.#purge({ filter: this.#filter(job) });
  }

  /** Bytes as the server counts them: with subjects, headers and its own 20 to 30 for each chunk. */
  async usage(): Promise<{ readonly bytes: number; readonly budgetBytes: number }> {
    const { state, config } = await this.#calls.repeat("The use of blobs", async () =>
      (await this.#manager).streams.info(this.#stream),
    );
    // -1 where somebody took the budget away.
    return { bytes: state.bytes, budgetBytes: config.max_bytes < 0 ? Infinity : config.max_bytes };
  }

  #chunksOf(body: Uint8Array): Uint8Array[] {
    const limit = this.#connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    const size = Math.min(MAX_CHUNK_BYTES, limit - HEADER_BYTES);
    const count = Math.max(1, Math.ceil(body.length / size));
    return Array.from({ length: count }, (_, at) => body.subarray(at * size, (at + 1) * size));
  }

  async #store(subject: string, body: Uint8Array, key: string): Promise<readonly number[]> {
    // The window keeps their order, so that a blob's chunks lie together and a drop up to it takes no other's.
    const outcomes = await Promise.allSettled(
      this.#chunksOf(body).map((chunk) => this.#window.run(chunk.length, () => this.#publish(subject, chunk, key))),
    );
    const sequences = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure === undefined) return sequences;
    await Promise.allSettled(sequences.map((sequence) => this.#delete(sequence)));
    throw asTransportError(failure.reason, `A blob for ${subject}`);
  }

  async #publish(subject: string, chunk: Uint8Array, key: string): Promise<number> {
    const keyed = headers();
    keyed.set(KEY_HEADER, key);
    const answer = await this.#calls.once(`A chunk for ${subject}`, () =>
      this.#client.publish(subject, chunk, { headers: keyed }),
    );
    return answer.seq;
  }

  async #delete(sequence: number): Promise<void> {
    await this.#calls.once("A chunk's removal", async () =>
      (await this.#manager).streams.deleteMessage(this.#stream, sequence, false),
    );
  }

  async #purge(what: { readonly filter: string; readonly seq?: number }): Promise<void> {
    await this.#calls.repeat(`Dropping blobs of ${what.filter}`, async () =>
      (await this.#manager).streams.purge(this.#stream, what),
    );
  }

  /** Null when it is gone, or another message lies there. A replica may not have it yet, so that the leader decides. */
  async #fetch(sequence: number, key: string): Promise<Uint8Array | null> {
    const query = { seq: sequence };
    return await this.#calls.repeat("A blob's chunk", async () => {
      const { direct, streams } = await this.#manager;
      const near = await direct.getMessage(this.#stream, query).catch(() => null); // The leader's failure will be the one that counts.
      const found = near ?? (await streams.getMessage(this.#stream, query));
      return found?.header.get(KEY_HEADER) === key ? found.data : null;
    });
  }
}

function parseRef(ref: BlobRef): { readonly key: string; readonly sequences: readonly number[] } | null {
  const match = /^([\w-]{16}):(\d+(?:,\d+)*)$/.exec(ref);
  return match === null ? null : { key: match[1]!, sequences: match[2]!.split(",").map(Number) };
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
