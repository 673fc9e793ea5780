import { TransportError } from "../transport.ts";
import type { CommitLog, JobKey, LogEntry, Position } from "../transport.ts";
import { EntryIndex } from "./entry-index.ts";
import { ALL_SHARDS } from "./frame.ts";
import { KeyLocks } from "../key-locks.ts";
import { parseRecordName, recordName } from "./segment.ts";
import type { StoredRecord } from "./segment.ts";
import { assertOpen } from "./store-errors.ts";
import { Wakeup } from "../../wakeup.ts";
import type { WriteAheadLog } from "./write-ahead-log.ts";

/**
 * The commit log over the write-ahead log. An entry enters the index when it is durable, so nobody reads one that a crash
 * could take back; appends of one shard therefore wait for each other.
 */
export class EmbeddedLog implements CommitLog {
  readonly #log: WriteAheadLog;
  readonly #closing: AbortSignal;
  readonly #index = new EntryIndex();
  readonly #locks = new KeyLocks();
  readonly #appended = new Wakeup();

  constructor(log: WriteAheadLog, records: readonly StoredRecord[], options: { readonly closing: AbortSignal }) {
    this.#log = log;
    this.#closing = options.closing;
    for (const record of records) {
      if (record.type === "entry") this.#index.add(record);
      if (record.type === "drop-entries") this.#drop(record.key, record.shard, record.number);
    }
  }

  async tail(job: JobKey, shard: number): Promise<LogEntry | null> {
    assertOpen(this.#closing);
    const record = this.#index.tail(job, shard);
    return record === undefined ? null : await this.#entry(record);
  }

  append(job: JobKey, shard: number, after: Position | null, body: Uint8Array): Promise<Position> {
    return this.#locks.run(lockOf(job, shard), async () => {
      const tail = this.#index.tail(job, shard);
      if ((tail === undefined ? null : recordName(tail)) !== after) {
        throw new TransportError(
          "conflict",
          `Shard ${shard} of ${job} has another newest entry than the one expected.`,
          {
            tail: tail === undefined ? null : await this.#entry(tail),
          },
        );
      }
      const record = this.#log.add({ type: "entry", key: job, shard, number: this.#log.opening }, body);
      await this.#log.flush(() => {
        this.#index.add(record);
        this.#appended.notify();
      });
      return recordName(record) as Position;
    });
  }

  async *read(job: JobKey, from: Position | null, signal: AbortSignal): AsyncGenerator<LogEntry> {
    assertOpen(this.#closing);
    let last = from === null ? 0 : lsnOf(from);
    while (!signal.aborted && !this.#closing.aborted) {
      const record = this.#index.next(job, last);
      if (record === undefined) {
        await this.#appended.wait({ signals: [signal, this.#closing] });
        continue;
      }
      const entry = await this.#entry(record);
      last = record.lsn;
      if (!signal.aborted) yield entry;
    }
  }

  async verify(job: JobKey, position: Position): Promise<boolean> {
    assertOpen(this.#closing);
    const name = parseRecordName(position);
    if (name === null) return false;
    const kept = this.#index.find(job, name.lsn);
    return kept === undefined ? this.#log.gaveOut(name.lsn, name.number) : recordName(kept) === position;
  }

  /** Not durable by itself: after a crash what was trimmed may be back. */
  async trim(job: JobKey, shard: number): Promise<void> {
    assertOpen(this.#closing);
    const tail = this.#index.tail(job, shard);
    if (tail !== undefined) this.#addDrop(job, shard, tail.lsn);
  }

  forget(job: JobKey, shard: number): Promise<void> {
    return this.#locks.run(lockOf(job, shard), async () => {
      this.#addDrop(job, shard, this.#log.lastLsn + 1);
      await this.#log.flush();
    });
  }

  async drop(job: JobKey): Promise<void> {
    for (let running; (running = this.#locks.running(lockOf(job, ""))) !== null;) await running;
    this.#addDrop(job, ALL_SHARDS, this.#log.lastLsn + 1);
    await this.#log.flush();
  }

  #addDrop(job: JobKey, shard: number, below: number): void {
    this.#log.add({ type: "drop-entries", key: job, shard, number: below });
    this.#drop(job, shard, below);
  }

  #drop(job: JobKey, shard: number, below: number): void {
    this.#index.drop(job, shard, below, { kill: (record) => this.#log.kill(record) });
  }

  async #entry(record: StoredRecord): Promise<LogEntry> {
    const position = recordName(record) as Position;
    return { job: record.key, shard: record.shard, position, body: await this.#log.read(record) };
  }
}

function lockOf(job: JobKey, shard: number | ""): string {
  return `${job}/${shard}`;
}

function lsnOf(position: Position): number {
  const name = parseRecordName(position);
  if (name === null) throw new RangeError(`${position} is not a position of this log.`);
  return name.lsn;
}
