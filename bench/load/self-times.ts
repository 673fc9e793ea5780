/**
 * What made requests late, kept apart: the client itself (a timer that came late, an event loop that was busy), and the
 * load, which allows so many in flight and no more. The second is no fault of the client.
 */
import { DistributionTally } from "../metrics/distribution.ts";
import type { EncodedDistribution } from "../metrics/distribution.ts";

/** As it crosses threads. */
export interface EncodedTimes {
  readonly late: EncodedDistribution;
  readonly waited: EncodedDistribution;
}

export class SelfTimes {
  readonly #late: DistributionTally;
  readonly #waited: DistributionTally;

  constructor(late = new DistributionTally(), waited = new DistributionTally()) {
    this.#late = late;
    this.#waited = waited;
  }

  static decode({ late, waited }: EncodedTimes): SelfTimes {
    return new SelfTimes(DistributionTally.decode(late), DistributionTally.decode(waited));
  }

  /** How late the client came to a request that nothing but itself kept waiting, milliseconds. */
  late(ms: number): void {
    this.#late.record(ms);
  }

  /** How long a request that was due waited for a place in flight, milliseconds. */
  waited(ms: number): void {
    this.#waited.record(ms);
  }

  merge(other: SelfTimes): void {
    this.#late.merge(other.#late);
    this.#waited.merge(other.#waited);
  }

  encode(): EncodedTimes {
    return { late: this.#late.encode(), waited: this.#waited.encode() };
  }

  /** Of however few requests; null of none. */
  get lateP99Ms(): number | null {
    return this.#late.percentile(99, 1);
  }

  get waitedCount(): number {
    return this.#waited.n;
  }

  get waitedP99Ms(): number | null {
    return this.#waited.percentile(99, 1);
  }
}
