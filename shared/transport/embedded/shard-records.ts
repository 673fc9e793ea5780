import { ALL_SHARDS } from "./frame.ts";

interface Stored {
  /** The job. */
  readonly key: string;
  readonly shard: number;
  readonly lsn: number;
}

/** What each shard of each job holds, oldest first. */
export class ShardRecords<T extends Stored> {
  readonly #jobs = new Map<string, Map<number, T[]>>();

  /** Records of one shard come in the order of their LSN. */
  add(record: T): void {
    const shards = this.#jobs.get(record.key) ?? new Map<number, T[]>();
    this.#jobs.set(record.key, shards);
    const records = shards.get(record.shard);
    if (records === undefined) shards.set(record.shard, [record]);
    else records.push(record);
  }

  last(job: string, shard: number): T | undefined {
    return this.#jobs.get(job)?.get(shard)?.at(-1);
  }

  /** Takes out what has a lower LSN than `below`, of one shard or of `ALL_SHARDS`, and gives it back. */
  takeBelow(job: string, shard: number, below: number): T[] {
    const shards = this.#jobs.get(job);
    if (shards === undefined) return [];
    const taken: T[] = [];
    for (const each of shard === ALL_SHARDS ? [...shards.keys()] : [shard]) {
      const records = shards.get(each) ?? [];
      taken.push(...records.filter((record) => record.lsn < below));
      const kept = records.filter((record) => record.lsn >= below);
      if (kept.length > 0) shards.set(each, kept);
      else shards.delete(each);
    }
    if (shards.size === 0) this.#jobs.delete(job);
    return taken;
  }

  /** Every shard's newest record. */
  *lasts(): Generator<T> {
    for (const shards of this.#jobs.values()) {
      for (const records of shards.values()) yield records.at(-1)!;
    }
  }
}
