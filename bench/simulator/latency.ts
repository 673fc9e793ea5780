/**
 * How long a simulated answer takes: drawn by the prompt's hash, so that the same prompt takes the same time in every
 * run and process.
 *
 * With u1, u2, u3 drawn from the hash, each in [0, 1):
 *
 *   fixed      medianMs
 *   uniform    medianMs * (1 + sigma * (2 * u1 - 1))                      sigma 1: from 0 to twice the median
 *   lognormal  medianMs * exp(sigma * sqrt(-2 ln(1 - u1)) * cos(2 pi u2)) Box-Muller; sigma 0.5: p99 is 3.2 medians
 *   none       0
 *
 * and times `stragglers.factor` where u3 < `stragglers.share`.
 */

import { draw } from "./hash.ts";
import type { TextHash } from "./hash.ts";

export interface LatencyOptions {
  readonly distribution: "none" | "fixed" | "uniform" | "lognormal";
  readonly medianMs: number;
  readonly sigma: number;
  readonly stragglers: { readonly share: number; readonly factor: number };
}

/** Purposes 1 to 3 of `draw` are taken here; faults take 4. */
export function latencyMs(hash: TextHash, options: LatencyOptions): number {
  const { distribution, medianMs, sigma, stragglers } = options;
  if (distribution === "none" || medianMs === 0) return 0;
  const factor = draw(hash, 3) < stragglers.share ? stragglers.factor : 1;
  return medianMs * factor * spread(hash, distribution, sigma);
}

function spread(hash: TextHash, distribution: "fixed" | "uniform" | "lognormal", sigma: number): number {
  if (distribution === "fixed") return 1;
  const first = draw(hash, 1);
  if (distribution === "uniform") return 1 + sigma * (2 * first - 1);
  const normal = Math.sqrt(-2 * Math.log(1 - first)) * Math.cos(2 * Math.PI * draw(hash, 2));
  return Math.exp(sigma * normal);
}
