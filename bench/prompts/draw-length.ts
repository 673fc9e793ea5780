/** Lengths from a distribution, each by its position alone, so that every thread draws the same. */
import { draw } from "../simulator/hash.ts";
import type { TextHash } from "../simulator/hash.ts";
import type { LengthSpec } from "./prompt-options.ts";

/** Draws for one position before the nearer bound is taken: for bounds that the distribution hardly ever meets. */
const TRIES = 64;

/** A whole number within the bounds (1 and none when absent). `purpose` tells apart what is drawn under one key. */
export function drawLength(
  length: LengthSpec,
  key: TextHash,
  { purpose, index }: { purpose: number; index: number },
): number {
  const { mean, std, min = 1, max = Infinity } = length;
  const middle = Math.min(max, Math.max(min, Math.round(mean)));
  if (std === 0) return middle;
  let drawn = middle;
  for (let turn = 0; turn < TRIES; turn++) {
    drawn = Math.round(mean + std * normal(key, { purpose, index, turn }));
    if (drawn >= min && drawn <= max) return drawn;
  }
  return Math.min(max, Math.max(min, drawn));
}

/** Standard normal, by the method of Box and Muller. */
function normal(key: TextHash, { purpose, index, turn }: { purpose: number; index: number; turn: number }): number {
  // Above 0, whose logarithm there is none of.
  const radius = Math.sqrt(-2 * Math.log(1 - draw(key, purpose, index, 2 * turn)));
  return radius * Math.cos(2 * Math.PI * draw(key, purpose, index, 2 * turn + 1));
}

/** The length in words: `200 ± 50 (20 to 400)`. */
export function lengthInWords({ mean, std, min, max }: LengthSpec): string {
  if (std === 0) return String(mean);
  const bounds = [min === undefined ? "" : `from ${min}`, max === undefined ? "" : `to ${max}`].filter(
    (text) => text !== "",
  );
  return `${mean} ± ${std}${bounds.length === 0 ? "" : ` (${bounds.join(" ")})`}`;
}
