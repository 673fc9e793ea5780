import { ShardRecords } from "./shard-records.ts";
import type { StoredRecord } from "./segment.ts";

/** The commit log's entries that are durable and not trimmed, by shard and in the order of the whole job. */
export class EntryIndex {
  readonly #shards = new ShardRecords<StoredRecord>();
  readonly #jobs = new Map<string, { order: StoredRecord[]; dead: number }>();

  /** Entries come in the order of their LSN. */
  add(record: StoredRecord): void {
    this.#shards.add(record);
    const entries = this.#jobs.get(record.key);
    if (entries === undefined) this.#jobs.set(record.key, { order: [record], dead: 0 });
    else entries.order.push(record);
  }

  tail(job: string, shard: number): StoredRecord | undefined {
    return this.#shards.last(job, shard);
  }

  tails(): Iterable<StoredRecord> {
    return this.#shards.lasts();
  }

  /** The job's first entry behind `lsn`. */
  next(job: string, lsn: number): StoredRecord | undefined {
    const order = this.#jobs.get(job)?.order ?? [];
    let at = firstAbove(order, lsn);
    while (at < order.length && !order[at]!.live) at++;
    return order[at];
  }

  /** Ends the shard's entries below an LSN, all shards' for `ALL_SHARDS`; `kill` must clear `live`. */
  drop(job: string, shard: number, below: number, options: { kill: (record: StoredRecord) => void }): void {
    const taken = this.#shards.takeBelow(job, shard, below);
    const entries = this.#jobs.get(job);
    if (entries === undefined) return;
    for (const record of taken) options.kill(record);
    entries.dead += taken.length;
    if (entries.dead * 2 <= entries.order.length) return;
    entries.order = entries.order.filter((record) => record.live);
    entries.dead = 0;
    if (entries.order.length === 0) this.#jobs.delete(job);
  }

  find(job: string, lsn: number): StoredRecord | undefined {
    const record = this.next(job, lsn - 1);
    return record?.lsn === lsn ? record : undefined;
  }
}

function firstAbove(order: readonly StoredRecord[], lsn: number): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (order[middle]!.lsn <= lsn) low = middle + 1;
    else high = middle;
  }
  return low;
}
