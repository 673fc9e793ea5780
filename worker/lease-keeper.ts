/**
 * Keeps the leases of a worker's shards alive, and says when one can no longer be relied on.
 *
 * A lease that was not confirmed for two thirds of its time starts no new rows; one that was not confirmed for all of it
 * is given up, since another worker may own the shard already. A zombie's beat may succeed, so a beat proves nothing:
 * what counts is decided by the commit log alone.
 */
import type { HeldShard } from "./held-shard.ts";

export interface LeaseListeners {
  /** Another worker may own the shard already. */
  readonly lost: (shard: HeldShard) => void;
  /** A shard that might start no rows may do so again. */
  readonly regained: () => void;
}

export class LeaseKeeper {
  readonly #leaseMs: number;
  readonly #now: () => number;
  readonly #on: LeaseListeners;
  readonly #confirmed = new Map<HeldShard, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(leaseMs: number, on: LeaseListeners, now: () => number = () => performance.now()) {
    this.#leaseMs = leaseMs;
    this.#on = on;
    this.#now = now;
    this.#timer = setInterval(() => this.beatAll(), leaseMs / 3);
    this.#timer.unref();
  }

  add(shard: HeldShard): void {
    this.#confirmed.set(shard, this.#now());
  }

  remove(shard: HeldShard): void {
    this.#confirmed.delete(shard);
  }

  mayStart(shard: HeldShard): boolean {
    const confirmed = this.#confirmed.get(shard);
    return confirmed !== undefined && this.#now() - confirmed < (this.#leaseMs * 2) / 3;
  }

  beatAll(): void {
    for (const [shard, confirmed] of this.#confirmed) {
      if (this.#now() - confirmed >= this.#leaseMs) {
        this.#confirmed.delete(shard);
        this.#on.lost(shard);
        continue;
      }
      const sentAt = this.#now();
      shard.claim.beat().then(
        () => {
          if (!this.#confirmed.has(shard)) return;
          const wasDoubtful = !this.mayStart(shard);
          this.#confirmed.set(shard, sentAt);
          if (wasDoubtful) this.#on.regained();
        },
        // An unconfirmed beat is what the clock above is for.
        () => undefined,
      );
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#confirmed.clear();
  }
}
