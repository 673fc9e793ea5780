/** What little statistics a plan needs. */

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of the mean, from the values' own spread; 0 for a single value. */
export function standardError(values: readonly number[]): number {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1) / values.length);
}

/** Between the two values that the share falls between; 0 is the least, 1 the greatest. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = Math.min(1, Math.max(0, share)) * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  return below + (sorted[Math.ceil(at)]! - below) * (at - Math.floor(at));
}

/** A line through points by least squares; null where x does not vary. `t`: the slope over its standard error. */
export interface Line {
  readonly at: (x: number) => number;
  readonly t: number;
}

export function lineThrough(points: readonly { readonly x: number; readonly y: number }[]): Line | null {
  const n = points.length;
  const xMean = mean(points.map(({ x }) => x));
  const yMean = mean(points.map(({ y }) => y));
  const xx = points.reduce((sum, { x }) => sum + (x - xMean) ** 2, 0);
  // What is left of numbers as large as these when they are all alike.
  if (n < 3 || xx <= 1e-9 * n * xMean ** 2) return null;
  const slope = points.reduce((sum, { x, y }) => sum + (x - xMean) * (y - yMean), 0) / xx;
  const residual = points.reduce((sum, { x, y }) => sum + (y - yMean - slope * (x - xMean)) ** 2, 0);
  const error = Math.sqrt(residual / (n - 2) / xx);
  const t = error === 0 ? (slope === 0 ? 0 : Infinity) : Math.abs(slope) / error;
  return { at: (x) => yMean + slope * (x - xMean), t };
}

/** Deviates of the standard normal within which eight of ten values lie: a plan's ranges are from p10 to p90. */
export const RANGE_DEVIATES = 1.2815515655446004;

/** The share of the standard normal that lies below (Zelen and Severo's approximation, within 7.5e-8). */
function normalShare(deviate: number): number {
  if (deviate > 0) return 1 - normalShare(-deviate);
  const k = 1 / (1 - 0.2316419 * deviate);
  const weights = [1.330274429, -1.821255978, 1.781477937, -0.356563782, 0.31938153];
  const sum = weights.reduce((of, weight) => of * k + weight, 0) * k;
  return (Math.exp((-deviate * deviate) / 2) / Math.sqrt(2 * Math.PI)) * sum;
}

/**
 * Where in the resampled means of `n` values to read p10; p90 is as far from the other end. Resamples of few values spread
 * too little: by √((n−1)/n), and as a normal where the mean spreads as Student's t. (Hesterberg, "What Teachers Should Know
 * about the Bootstrap", 2015, section 5.3: the expanded percentile interval.)
 */
export function expandedP10(n: number): number {
  if (n < 3) return 0;
  const [z, freedom] = [RANGE_DEVIATES, n - 1];
  // Cornish and Fisher's expansion of Student's quantile.
  const t = z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
  return normalShare(-t * Math.sqrt(n / freedom));
}

/** Wilson's score interval for a share of which `of` were seen in `n`, from p10 to p90. */
export function shareInterval(of: number, n: number): { readonly low: number; readonly high: number } {
  if (n === 0) return { low: 0, high: 1 };
  const [seen, z] = [of / n, RANGE_DEVIATES];
  const middle = (seen + z ** 2 / (2 * n)) / (1 + z ** 2 / n);
  const half = (z / (1 + z ** 2 / n)) * Math.sqrt((seen * (1 - seen)) / n + z ** 2 / (4 * n ** 2));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
