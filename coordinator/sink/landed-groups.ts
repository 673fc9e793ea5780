import { groupOf, SHARDS_IN_GROUP, type BlobStore, type JobKey } from "../../shared/transport/transport.ts";

/** Share of the result store's budget that landed batches may take while the rest of their group is open. */
const MOST_KEPT = 0.05;
const MOST_KEPT_BYTES = 32 * 1024 * 1024;

interface LandedShard {
  readonly shard: number;
  readonly storedBytes: number;
}

/**
 * Drops what landed shards have in the result store: a whole group by one call, once all of it has landed. The shards of a
 * group that is still open wait for it, up to a share of the budget; then each is dropped by itself. The last go with the
 * job, and what an owner that died did not get to goes with its group, by the sweep, or with the job.
 */
export class LandedGroups {
  readonly #results: BlobStore;
  readonly #job: JobKey;
  readonly #inGroups: boolean;
  readonly #isLanded: (shard: number) => boolean;
  /** Bytes of landed shards that were not dropped. */
  readonly #kept = new Map<number, number>();

  constructor(options: {
    readonly results: BlobStore;
    readonly job: JobKey;
    /** False where a group's drop saves nothing: each shard is dropped at once. */
    readonly inGroups: boolean;
    readonly isLanded: (shard: number) => boolean;
  }) {
    this.#results = options.results;
    this.#job = options.job;
    this.#inGroups = options.inGroups;
    this.#isLanded = options.isLanded;
  }

  /** To be called when the manifest names them. */
  async drop(landed: readonly LandedShard[]): Promise<void> {
    for (const { shard, storedBytes } of landed) this.#kept.set(shard, storedBytes);
    if (this.#inGroups) await this.#dropWholeGroups(landed);
    if (this.#inGroups && (await this.#isWithinBounds())) return;
    for (const shard of this.#kept.keys()) {
      await this.#results.drop(this.#job, shard);
      this.#kept.delete(shard);
    }
  }

  async #dropWholeGroups(landed: readonly LandedShard[]): Promise<void> {
    for (const group of new Set(landed.map(({ shard }) => groupOf(shard)))) {
      const shards = Array.from({ length: SHARDS_IN_GROUP }, (_, at) => group * SHARDS_IN_GROUP + at);
      if (!shards.every((shard) => this.#isLanded(shard))) continue;
      await this.#results.dropGroup(this.#job, group);
      for (const shard of shards) this.#kept.delete(shard);
    }
  }

  async #isWithinBounds(): Promise<boolean> {
    const { budgetBytes } = await this.#results.usage();
    let bytes = 0;
    for (const kept of this.#kept.values()) bytes += kept;
    return bytes <= Math.min(MOST_KEPT_BYTES, MOST_KEPT * budgetBytes);
  }
}
