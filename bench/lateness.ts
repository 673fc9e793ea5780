import { createHistogram } from "node:perf_hooks";

/** How late something came, in milliseconds; zeros while `count` is 0. */
export interface Lateness {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const MICROS = 1_000;

/** Counts how late things come, in a histogram of three significant digits from 1 µs. */
export class LatenessMeter {
  readonly #histogram = createHistogram();

  /** What came early counts as in time. */
  record(lateMs: number): void {
    this.#histogram.record(Math.max(1, Math.round(lateMs * MICROS))); // The histogram takes nothing below 1.
  }

  summary(): Lateness {
    const { count, max } = this.#histogram;
    if (count === 0) return { count, p50Ms: 0, p99Ms: 0, maxMs: 0 };
    const [p50Ms, p99Ms] = [50, 99].map((percent) => this.#histogram.percentile(percent) / MICROS);
    return { count, p50Ms: p50Ms!, p99Ms: p99Ms!, maxMs: max / MICROS };
  }

  reset(): void {
    this.#histogram.reset();
  }
}
