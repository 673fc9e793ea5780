/** A straight line through points, and how sure its slope is. */

export interface Trend {
  /** Per unit of x. */
  readonly slope: number;
  /** Half the width of the slope's 95 % interval. */
  readonly margin: number;
  readonly mean: number;
}

/** What neighbouring residuals have in common can widen the margin 4.4 times at most, or a curve would never be a rise. */
const MOST_CORRELATION = 0.9;

/**
 * Least squares. The margin allows for residuals that follow each other, as the lengths of queues do: one long queue is seen
 * in many seconds and is still one observation. Null for fewer than four points.
 */
export function trendOf(points: readonly { readonly x: number; readonly y: number }[]): Trend | null {
  const n = points.length;
  if (n < 4) return null;
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / n;
  const mean = points.reduce((sum, { y }) => sum + y, 0) / n;
  const squaresX = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - mean), 0) / squaresX;
  const residuals = points.map(({ x, y }) => y - mean - slope * (x - meanX));
  const squares = residuals.reduce((sum, residual) => sum + residual ** 2, 0);
  const neighbours = residuals.slice(1).reduce((sum, residual, index) => sum + residual * residuals[index]!, 0);
  const correlation = squares === 0 ? 0 : Math.min(Math.max(neighbours / squares, 0), MOST_CORRELATION);
  const error = Math.sqrt((squares / (n - 2) / squaresX) * ((1 + correlation) / (1 - correlation)));
  return { slope, margin: studentsT95(n - 2) * error, mean };
}

/** The two-sided 95 % quantile of Student's t; Cornish and Fisher's expansion around the normal's 1.96 (Abramowitz, 26.7.5). */
function studentsT95(freedom: number): number {
  return 1.959964 + 2.37227 / freedom + 2.8225 / freedom ** 2 + 2.5559 / freedom ** 3;
}
