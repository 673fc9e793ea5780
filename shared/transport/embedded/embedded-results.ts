import { SHARDS_IN_GROUP, type BlobRef, type BlobStore, type JobKey } from "../transport.ts";
import type { Budget } from "./budget.ts";
import { ALL_SHARDS, bodyBytes } from "./frame.ts";
import { parseRecordName, recordName } from "./segment.ts";
import type { StoredRecord } from "./segment.ts";
import { ShardRecords } from "./shard-records.ts";
import { assertFits, assertOpen } from "./store-errors.ts";
import type { WriteAheadLog } from "./write-ahead-log.ts";

/**
 * Result blobs in the write-ahead log. A put is durable with the next append, wherever that goes; a drop is, too, so
 * that after a crash a dropped blob may be back.
 */
export class EmbeddedResults implements BlobStore {
  readonly #log: WriteAheadLog;
  readonly #closing: AbortSignal;
  readonly #budget: Budget;
  readonly #shards = new ShardRecords<StoredRecord>();
  readonly #byLsn = new Map<number, StoredRecord>();

  constructor(
    log: WriteAheadLog,
    records: readonly StoredRecord[],
    options: { readonly closing: AbortSignal; readonly budget: Budget },
  ) {
    this.#log = log;
    this.#closing = options.closing;
    this.#budget = options.budget;
    for (const record of records) {
      if (record.type === "blob") this.#keep(record);
      if (record.type === "drop-blobs") this.#drop(record.key, record.shard, record.number);
    }
    for (const record of this.#byLsn.values()) this.#budget.bytes += bodyBytes(record);
  }

  async put(job: JobKey, shard: number, bytes: Uint8Array): Promise<BlobRef> {
    assertOpen(this.#closing);
    assertFits(bytes);
    this.#budget.take(bytes.byteLength);
    try {
      while (this.#log.isFull) await this.#log.room();
      const record = this.#log.add({ type: "blob", key: job, shard, number: this.#log.opening }, bytes);
      this.#keep(record);
      return recordName(record) as BlobRef;
    } catch (error) {
      this.#budget.giveBack(bytes.byteLength);
      throw error;
    }
  }

  async get(ref: BlobRef): Promise<Uint8Array | null> {
    assertOpen(this.#closing);
    const record = this.#byLsn.get(parseRecordName(ref)?.lsn ?? 0);
    return record === undefined || recordName(record) !== ref ? null : await this.#log.read(record);
  }

  async drop(job: JobKey, shard: number, upTo?: BlobRef): Promise<void> {
    assertOpen(this.#closing);
    const last = upTo === undefined ? this.#log.lastLsn : (parseRecordName(upTo)?.lsn ?? 0);
    this.#log.add({ type: "drop-blobs", key: job, shard, number: last + 1 });
    this.#budget.giveBack(this.#drop(job, shard, last + 1));
  }

  async dropGroup(job: JobKey, group: number): Promise<void> {
    for (let at = 0; at < SHARDS_IN_GROUP; at++) await this.drop(job, group * SHARDS_IN_GROUP + at);
  }

  dropJob(job: JobKey): Promise<void> {
    return this.drop(job, ALL_SHARDS);
  }

  async usage(): Promise<{ readonly bytes: number; readonly budgetBytes: number }> {
    return { bytes: this.#budget.bytes, budgetBytes: this.#budget.budgetBytes };
  }

  #keep(record: StoredRecord): void {
    this.#shards.add(record);
    this.#byLsn.set(record.lsn, record);
  }

  /** Gives the number of bytes that became free. */
  #drop(job: JobKey, shard: number, below: number): number {
    let bytes = 0;
    for (const record of this.#shards.takeBelow(job, shard, below)) {
      this.#byLsn.delete(record.lsn);
      this.#log.kill(record);
      bytes += bodyBytes(record);
    }
    return bytes;
  }
}
