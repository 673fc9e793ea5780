/** Shards as ranges with both ends: `[[0, 4], [6, 6]]`. Ascending, disjoint, never touching. */
import type { ShardRange } from "./manifest.ts";

export function rangesHave(ranges: readonly ShardRange[], shard: number): boolean {
  let low = 0;
  let high = ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [first, last] = ranges[middle] as ShardRange;
    if (shard < first) high = middle - 1;
    else if (shard > last) low = middle + 1;
    else return true;
  }
  return false;
}

export function addToRanges(ranges: readonly ShardRange[], shards: readonly number[]): ShardRange[] {
  const sorted = [...ranges, ...shards.map((shard): ShardRange => [shard, shard])].toSorted((a, b) => a[0] - b[0]);
  const merged: ShardRange[] = [];
  for (const [first, last] of sorted) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

export function countOfRanges(ranges: readonly ShardRange[]): number {
  return ranges.reduce((count, [first, last]) => count + last - first + 1, 0);
}
