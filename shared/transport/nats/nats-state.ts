/** The state store in a JetStream key-value bucket. A version is the revision of the bucket. */
import {
  AckPolicy,
  DeliverPolicy,
  jetstream,
  JetStreamApiError,
  jetstreamManager,
  type JetStreamManager,
} from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import type { KV, KvEntry } from "@nats-io/kv";
import { nanos, type NatsConnection, type QueuedIterator } from "@nats-io/transport-node";
import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";

import { KeyLocks } from "../key-locks.ts";
import { Wakeup } from "../../wakeup.ts";
import { isPassing, TransportError } from "../transport.ts";
import type { Lease, ListedState, StateStore, VersionedState } from "../transport.ts";
import type { FullStores } from "./full-stores.ts";
import { NatsCalls } from "./nats-calls.ts";
import { API_CODE, asTransportError, assertOpen } from "./nats-errors.ts";
import { NatsHealth } from "./nats-health.ts";
import { decodeLease, encodeLease, NatsLease } from "./nats-lease.ts";
import { WholeStreams } from "./whole-streams.ts";

/** Keys that begin so are the leases', and hidden from `watch`. */
const LEASE = "lease/";
const WATCH_AGAIN_AFTER_MS = 250;
const SILENT_AT_FIRST_MS = 5_000;
const RELEASE_WITHIN_MS = 2_000;

export interface NatsStateOptions {
  readonly connection: NatsConnection;
  readonly bucket: string;
  /** Makes the bucket where it is missing; else it must be there before it is used. */
  readonly provision: boolean;
  /** Copies in a cluster, for a bucket that is made now. */
  readonly replicas?: number;
  readonly fulls: FullStores;
}

interface Sighting {
  readonly version: number;
  readonly at: number;
}

/** Keys are of `[-/=.A-Za-z0-9_]`, without a dot at either end. A watcher may miss a value that was replaced at once. */
export class NatsState implements StateStore {
  readonly #bucket: KV;
  readonly #name: string;
  readonly #manager: JetStreamManager;
  readonly #health: NatsHealth;
  readonly #calls: NatsCalls;
  readonly #streams: WholeStreams;
  /** No calls from outside any more; the leases are still given back. */
  readonly #closer = new AbortController();
  readonly #ended = new AbortController();
  readonly #now = (): number => performance.now();
  readonly #holder = randomUUID();
  readonly #locks = new KeyLocks();
  readonly #leases = new Map<string, NatsLease>();
  /** When the present version of another's lease was first seen. */
  readonly #sightings = new Map<string, Sighting>();

  private constructor(
    connection: NatsConnection,
    {
      bucket,
      name,
      manager,
      fulls,
    }: {
      readonly bucket: KV;
      readonly name: string;
      readonly manager: JetStreamManager;
      readonly fulls: FullStores;
    },
  ) {
    this.#bucket = bucket;
    this.#name = name;
    this.#manager = manager;
    this.#health = new NatsHealth([connection]);
    this.#streams = new WholeStreams(manager, this.#health);
    setMaxListeners(0, this.#closer.signal, this.#ended.signal);
    this.#calls = new NatsCalls({
      closing: this.#ended.signal,
      health: this.#health,
      fulls,
      now: this.#now,
      random: Math.random,
    });
  }

  static async open({ connection, bucket, provision, replicas = 1, fulls }: NatsStateOptions): Promise<NatsState> {
    try {
      const opened = provision
        ? await makeBucket(connection, bucket, replicas)
        : await bucketsOf(connection).open(bucket);
      const manager = await jetstreamManager(connection, { checkAPI: false });
      return new NatsState(connection, { bucket: opened, name: bucket, manager, fulls });
    } catch (error) {
      throw asTransportError(error, `The bucket ${bucket}`);
    }
  }

  /** Gives the leases back, ends the watchers, and rejects later calls with `closed`. */
  async close(): Promise<void> {
    if (this.#closer.signal.aborted) return;
    this.#closer.abort();
    const releases = Promise.allSettled([...this.#leases.values()].map((lease) => lease.release()));
    await Promise.race([releases, this.#calls.pause(RELEASE_WITHIN_MS)]);
    this.#ended.abort();
  }

  async get(key: string): Promise<VersionedState | null> {
    assertOpen(this.#closer.signal);
    return await this.#calls.repeat(`The state ${key}`, () => this.#get(key));
  }

  async swap(key: string, value: Uint8Array, version: number | null): Promise<number> {
    assertOpen(this.#closer.signal);
    return await this.#swap(key, value, version);
  }

  async drop(key: string): Promise<void> {
    assertOpen(this.#closer.signal);
    await this.#calls.repeat(`The state ${key}`, () => this.#bucket.purge(key));
  }

  async list(prefix: string): Promise<readonly ListedState[]> {
    assertOpen(this.#closer.signal);
    return await this.#calls.repeat(`The states ${prefix}`, () => this.#list(prefix));
  }

  async *watch(prefix: string, signal: AbortSignal): AsyncGenerator<VersionedState> {
    assertOpen(this.#closer.signal);
    const closing = this.#closer.signal;
    // A server may overlook the subscription of a watcher that it made a moment before (2.9.10 did while it made the
    // bucket), and the library starts another only after a minute without heartbeats. So one that is silent at first is not
    // believed, once.
    let isBelieved = false;
    while (!signal.aborted && !closing.aborted) {
      const { session } = this.#health;
      const ends = [signal, closing, session];
      const entries = await this.#startWatch(filterOf(prefix));
      const stop = (): void => entries?.stop();
      for (const end of ends) end.addEventListener("abort", stop);
      const doubt = isBelieved ? undefined : setTimeout(stop, SILENT_AT_FIRST_MS);
      isBelieved = true;
      try {
        if (ends.some((end) => end.aborted)) stop();
        for await (const entry of entries ?? []) {
          clearTimeout(doubt);
          const { key, operation } = entry;
          if (operation !== "PUT" || !key.startsWith(prefix) || key.startsWith(LEASE)) continue;
          if (signal.aborted || closing.aborted) return;
          yield versioned(entry);
        }
      } finally {
        clearTimeout(doubt);
        stop();
        for (const end of ends) end.removeEventListener("abort", stop);
      }
      if (session.aborted) isBelieved = false;
      await new Wakeup().wait({ ms: WATCH_AGAIN_AFTER_MS, signals: [signal, closing] });
    }
  }

  /**
   * Null when another holds it. One whose holder died is had by asking again: when this store has seen no beat of it for
   * the holder's `ttlMs`.
   */
  async lease(name: string, ttlMs: number): Promise<Lease | null> {
    return await this.#locks.run(name, async () => {
      assertOpen(this.#closer.signal);
      if (this.#leases.get(name)?.isHeld() === true) return null;
      const key = LEASE + name;
      const present = await this.#calls.repeat(`The lease ${name}`, () => this.#get(key));
      if (present !== null && !this.#isFree(name, present)) return null;
      const holder = this.#holder;
      const sentAt = this.#now();
      let version: number;
      try {
        const record = encodeLease({ holder, ttlMs, beat: 0, released: false });
        version = await this.#swap(key, record, present?.version ?? null);
      } catch (error) {
        if (error instanceof TransportError && error.fault === "conflict") return null;
        throw error;
      }
      const lease = new NatsLease({
        name,
        holder,
        version,
        ttlMs,
        sentAt,
        now: this.#now,
        read: () => this.#calls.once(`The lease ${name}`, () => this.#get(key)),
        swap: (value, after) => this.#swap(key, value, after),
      });
      this.#leases.set(name, lease);
      // Closed meanwhile: nobody is left to give it back.
      if (this.#closer.signal.aborted) await lease.release();
      assertOpen(this.#closer.signal);
      return lease;
    });
  }

  #isFree(name: string, present: VersionedState): boolean {
    const record = decodeLease(present.value);
    // Ours, though not held: it expired, or its taking had an unknown outcome.
    if (record.released || record.holder === this.#holder) return true;
    const seen = this.#sightings.get(name);
    if (seen?.version === present.version) return this.#now() - seen.at >= record.ttlMs;
    this.#sightings.set(name, { version: present.version, at: this.#now() });
    return false;
  }

  async #get(key: string): Promise<VersionedState | null> {
    const entry = await this.#streams.ask(`KV_${this.#name}`, () => this.#bucket.get(key));
    return entry === null || entry.operation !== "PUT" ? null : versioned(entry);
  }

  async #list(prefix: string): Promise<readonly ListedState[]> {
    const nowMs = await this.#brokerTimeMs();
    // Not the bucket's history: where its entries are replaced while it is read, it may not see that it has come to the end.
    const root = `$KV.${this.#name}.`;
    const { state } = await this.#manager.streams.info(`KV_${this.#name}`, {
      subjects_filter: `${root}${filterOf(prefix)}`,
    });
    const keys = Object.keys(state.subjects ?? {}).map((subject) => subject.slice(root.length));
    const wanted = keys.filter((key) => key.startsWith(prefix) && !key.startsWith(LEASE));
    const entries = await Promise.all(wanted.map((key) => this.#bucket.get(key)));
    return entries
      .filter((entry) => entry?.operation === "PUT")
      .map((entry) => ({ ...versioned(entry!), ageMs: Math.max(0, nowMs - entry!.created.getTime()) }));
  }

  /** By the clock that stamps the entries. What servers of all versions stamp at a reader's wish is a new consumer. */
  async #brokerTimeMs(): Promise<number> {
    const { created } = await this.#manager.consumers.add(`KV_${this.#name}`, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.New,
      filter_subject: `$KV.${this.#name}.none`,
      inactive_threshold: nanos(1_000),
      mem_storage: true,
    });
    return Date.parse(created);
  }

  async #swap(key: string, value: Uint8Array, version: number | null): Promise<number> {
    return await this.#calls.write(`KV_${this.#name}`, `The state ${key}`, async () => {
      try {
        return await (version === null ? this.#bucket.create(key, value) : this.#bucket.update(key, value, version));
      } catch (error) {
        if (!isConflict(error)) throw error;
        throw new TransportError("conflict", `${key} has not the version ${version ?? "none"}.`, { cause: error });
      }
    });
  }

  /** Null when it could not be started now. */
  async #startWatch(filter: string): Promise<QueuedIterator<KvEntry> | null> {
    const starting = Promise.resolve(this.#bucket.watch({ key: filter }));
    try {
      return await this.#calls.once(`Watching ${filter}`, () => starting);
    } catch (error) {
      void starting.then(
        (entries) => entries.stop(),
        () => {}, // It is the error in hand, or came after it.
      );
      if (this.#closer.signal.aborted || isPassing(error)) return null;
      throw error;
    }
  }
}

/** A subject filter takes whole tokens alone: the rest of the prefix is looked at here. */
function filterOf(prefix: string): string {
  return `${prefix.slice(0, prefix.lastIndexOf(".") + 1)}>`;
}

function bucketsOf(connection: NatsConnection): Kvm {
  return new Kvm(jetstream(connection, { checkAPI: false }));
}

/** Makes the bucket, or opens the one that is there as it is. */
export async function makeBucket(connection: NatsConnection, bucket: string, replicas: number): Promise<KV> {
  try {
    // Without direct access reads go to the leader, and see what was written before.
    return await bucketsOf(connection).create(bucket, { history: 1, replicas, allow_direct: false });
  } catch (error) {
    throw asTransportError(error, `The bucket ${bucket}`);
  }
}

function versioned(entry: KvEntry): VersionedState {
  return { key: entry.key, version: entry.revision, value: entry.value.slice() };
}

function isConflict(error: unknown): boolean {
  if (!(error instanceof JetStreamApiError)) return false;
  return error.code === API_CODE.wrongLastSequence || error.code === API_CODE.wrongLastSequenceUnknown;
}
