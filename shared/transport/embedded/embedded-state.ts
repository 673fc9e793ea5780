import { TransportError } from "../transport.ts";
import type { Lease, ListedState, StateStore, VersionedState } from "../transport.ts";
import { EmbeddedLease } from "./embedded-lease.ts";
import { KeyLocks } from "../key-locks.ts";
import type { StoredRecord } from "./segment.ts";
import { assertOpen } from "./store-errors.ts";
import { Wakeup } from "../../wakeup.ts";
import type { WriteAheadLog } from "./write-ahead-log.ts";

/** Key prefixes in the write-ahead log, so that leases and values never meet. */
const VALUE = "value/";
const LEASE = "lease/";
/** Says that a value written before it was dropped. */
const DROPPED = "dropped/";

interface Watcher {
  readonly prefix: string;
  readonly changes: VersionedState[];
}

/**
 * The state store in the write-ahead log. A version is the LSN of the record that holds the value, so it only grows, over
 * restarts too. A value is seen when it is durable.
 */
export class EmbeddedState implements StateStore {
  readonly #log: WriteAheadLog;
  readonly #closing: AbortSignal;
  readonly #now: () => number;
  readonly #records = new Map<string, StoredRecord>();
  /** When each value was taken; for one from before a restart, when the store was opened. */
  readonly #takenAtMs = new Map<string, number>();
  readonly #locks = new KeyLocks();
  readonly #changed = new Wakeup();
  readonly #watchers = new Set<Watcher>();
  readonly #leases = new Map<string, EmbeddedLease>();

  constructor(
    log: WriteAheadLog,
    records: readonly StoredRecord[],
    options: { readonly closing: AbortSignal; readonly now: () => number },
  ) {
    this.#log = log;
    this.#closing = options.closing;
    this.#now = options.now;
    for (const record of records) {
      if (record.type === "state") this.#keep(record);
    }
  }

  async get(key: string): Promise<VersionedState | null> {
    assertOpen(this.#closing);
    const record = this.#records.get(VALUE + key);
    return record === undefined ? null : { key, version: record.lsn, value: await this.#log.read(record) };
  }

  swap(key: string, value: Uint8Array, version: number | null): Promise<number> {
    return this.#locks.run(key, async () => {
      const present = this.#records.get(VALUE + key)?.lsn ?? null;
      if (present !== version) {
        throw new TransportError("conflict", `${key} has version ${present ?? "none"}, not ${version ?? "none"}.`);
      }
      return await this.#write(VALUE + key, value, (record) => {
        for (const { prefix, changes } of this.#watchers) {
          if (key.startsWith(prefix)) changes.push({ key, version: record.lsn, value: new Uint8Array(value) });
        }
        this.#changed.notify();
      });
    });
  }

  drop(key: string): Promise<void> {
    return this.#locks.run(key, async () => {
      assertOpen(this.#closing);
      if (this.#records.has(VALUE + key)) await this.#write(DROPPED + key, new Uint8Array());
    });
  }

  async list(prefix: string): Promise<readonly ListedState[]> {
    assertOpen(this.#closing);
    const keys = [...this.#records.keys()].filter((key) => key.startsWith(VALUE + prefix));
    const states = await Promise.all(keys.map((key) => this.get(key.slice(VALUE.length))));
    const nowMs = this.#now();
    return states
      .filter((state) => state !== null)
      .map((state) => ({ ...state, ageMs: nowMs - (this.#takenAtMs.get(VALUE + state.key) ?? nowMs) }));
  }

  async *watch(prefix: string, signal: AbortSignal): AsyncGenerator<VersionedState> {
    assertOpen(this.#closing);
    const watcher: Watcher = { prefix, changes: [] };
    const keys = [...this.#records.keys()].filter((key) => key.startsWith(VALUE + prefix));
    this.#watchers.add(watcher);
    try {
      const seen = new Map<string, number>();
      for (const key of keys) {
        if (signal.aborted || this.#closing.aborted) return;
        const state = await this.get(key.slice(VALUE.length));
        if (state === null) continue;
        seen.set(state.key, state.version);
        yield state;
      }
      while (!signal.aborted && !this.#closing.aborted) {
        const change = watcher.changes.shift();
        if (change === undefined) await this.#changed.wait({ signals: [signal, this.#closing] });
        else if (change.version > (seen.get(change.key) ?? 0)) yield change;
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  async lease(name: string, ttlMs: number): Promise<Lease | null> {
    return await this.#locks.run(LEASE + name, async () => {
      assertOpen(this.#closing);
      if (this.#leases.get(name)?.isHeld() === true) return null;
      // Nobody holds a lease over a restart: its record only makes the next version higher.
      const version = await this.#write(LEASE + name, new Uint8Array());
      const lease = new EmbeddedLease({ name, version, ttlMs, now: this.#now, closing: this.#closing });
      this.#leases.set(name, lease);
      return lease;
    });
  }

  async #write(key: string, value: Uint8Array, apply: (record: StoredRecord) => void = () => {}): Promise<number> {
    const record = this.#log.add({ type: "state", key, shard: 0, number: this.#log.opening }, value);
    await this.#log.flush(() => {
      this.#keep(record);
      apply(record);
    });
    return record.lsn;
  }

  #keep(record: StoredRecord): void {
    const { key } = record;
    this.#forget(key);
    // A value and its dropping replace one another.
    if (key.startsWith(VALUE)) this.#forget(DROPPED + key.slice(VALUE.length));
    if (key.startsWith(DROPPED)) this.#forget(VALUE + key.slice(DROPPED.length));
    this.#records.set(key, record);
    this.#takenAtMs.set(key, this.#now());
  }

  #forget(key: string): void {
    const record = this.#records.get(key);
    if (record === undefined) return;
    this.#log.kill(record);
    this.#records.delete(key);
    this.#takenAtMs.delete(key);
  }
}
