/**
 * Keeps the leases of a worker's shards alive, and says when one can no longer be relied on.
 *
 * A lease that was not confirmed for two thirds of its time starts no new rows; one that was not confirmed for all of it
 * is given up, since another worker may own the shard already. A claim confirms it first, from when the queue was asked:
 * how long its answer lay about, while the process slept, nobody knows. A zombie's beat may succeed, so a beat proves
 * nothing: what counts is decided by the commit log alone.
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

  /** Monotonic milliseconds. */
  now(): number {
    return this.#now();
  }

  /** A lease confirmed by what was asked at `sentAt` can no longer be relied on. */
  hasExpired(sentAt: number): boolean {
    return this.#now() - sentAt >= this.#leaseMs;
  }

  /** Of a shard that is kept already, a newer confirmation. */
  add(shard: HeldShard, sentAt: number): void {
    this.#confirmed.set(shard, Math.max(sentAt, this.#confirmed.get(shard) ?? -Infinity));
    if (!this.mayStart(shard)) this.#beat(shard);
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
      if (!this.hasExpired(confirmed)) {
        this.#beat(shard);
        continue;
      }
      this.#confirmed.delete(shard);
      this.#on.lost(shard);
    }
  }

  #beat(shard: HeldShard): void {
    const sentAt = this.#now();
    shard.claim.beat().then(
      () => {
        const confirmed = this.#confirmed.get(shard);
        if (confirmed === undefined || confirmed > sentAt) return;
        const wasDoubtful = !this.mayStart(shard);
        this.#confirmed.set(shard, sentAt);
        if (wasDoubtful) this.#on.regained();
      },
      // An unconfirmed beat is what the clock is for.
      () => undefined,
    );
  }

  close(): void {
    clearInterval(this.#timer);
    this.#confirmed.clear();
  }
}
