/**
 * How far a figure of one run may lie from what the same run would have shown again: 95 % intervals from the run itself.
 * What differs from day to day, or from machine to machine, is not in them.
 */
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import type { Distribution, StageReport } from "./bench-report.ts";

/** A figure with the bounds of its interval; null where there are too few samples for one. */
export interface Spread {
  readonly value: number | null;
  readonly bounds: readonly [low: number, high: number] | null;
}

const Z = 1.96;
/** Student's t at 97.5 %, by degrees of freedom from 1. */
const T = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26];
/** Neighbouring seconds are alike; means of longer stretches are much less so. */
const BATCHES = 10;
const LEAST_BATCHES = 5;

export type Quantile = "p50" | "p90" | "p99";
const SHARES: Readonly<Record<Quantile, number>> = { p50: 0.5, p90: 0.9, p99: 0.99 };

/**
 * Of a percentile, by the ranks between which it lies: the number of samples below it is binomial. `independent` is for
 * samples of which many come from one request, as gaps do: so many of them count.
 */
export function spreadOfQuantile(distribution: Distribution, key: Quantile, independent = distribution.n): Spread {
  const value = distribution[key];
  const n = Math.min(independent, distribution.n);
  if (value === null || n === 0) return { value, bounds: null };
  const share = SHARES[key];
  const margin = Z * Math.sqrt((share * (1 - share)) / n);
  if (share + margin >= 1 || share - margin <= 0) return { value, bounds: null };
  const histogram = decodeFromCompressedBase64(distribution.hdr);
  const at = (rank: number): number => histogram.getValueAtPercentile(rank * 100) / 1_000;
  return { value, bounds: [Math.min(value, at(share - margin)), Math.max(value, at(share + margin))] };
}

/** Of a mean over the window, by the means of stretches of it. */
export function spreadOfRate(
  { window, timeline }: StageReport,
  value: number,
  of: (point: StageReport["timeline"][number]) => number,
): Spread {
  const whole = timeline.filter(
    ({ second }) => second * 1_000 >= window.start_ms && (second + 1) * 1_000 <= window.end_ms,
  );
  const size = Math.ceil(whole.length / BATCHES);
  const count = size === 0 ? 0 : Math.floor(whole.length / size);
  if (count < LEAST_BATCHES) return { value, bounds: null };
  const means = Array.from({ length: count }, (_, batch) =>
    mean(whole.slice(batch * size, (batch + 1) * size).map(of)),
  );
  const middle = mean(means);
  const variance = means.reduce((sum, each) => sum + (each - middle) ** 2, 0) / (count - 1);
  const margin = (T[count - 2] ?? Z) * Math.sqrt(variance / count);
  return { value, bounds: [Math.max(0, value - margin), value + margin] };
}

/** Of a share, by Wilson's interval, which holds for shares of 0 and 1 too. */
export function spreadOfShare(value: number, n: number): Spread {
  if (n === 0) return { value: null, bounds: null };
  const square = Z ** 2 / n;
  const middle = (value + square / 2) / (1 + square);
  const margin = (Z / (1 + square)) * Math.sqrt((value * (1 - value)) / n + square / (4 * n));
  return { value, bounds: [Math.min(value, middle - margin), Math.max(value, middle + margin)] };
}

/** Whether two figures differ by more than both spreads together; null where one of them is not known. */
export function liesBeyond(a: Spread, b: Spread): boolean | null {
  if (a.value === null || b.value === null || a.bounds === null || b.bounds === null) return null;
  const [low, high] = a.value <= b.value ? [a, b] : [b, a];
  const [above, below] = [low.bounds![1] - low.value!, high.value! - high.bounds![0]];
  return high.value! - low.value! > Math.hypot(above, below);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
