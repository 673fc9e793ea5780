/** How a server's counters changed between two snapshots. */
import type { Sample, Samples } from "./prometheus-text.ts";

type Labels = (labels: Sample["labels"]) => boolean;

const ALL: Labels = () => true;
/** What sums of floats may differ by without having gone back. */
const ROUNDING = 1e-6;

export class CounterChanges {
  readonly #before: Samples;
  readonly #after: Samples;
  readonly #wentBack = new Set<string>();

  constructor(before: Samples, after: Samples) {
    this.#before = before;
    this.#after = after;
  }

  /** Counters that were asked for and are lower than before. */
  get wentBack(): readonly string[] {
    return [...this.#wentBack];
  }

  /**
   * By how much a counter grew, over all its labels or those that are `wanted`. Null where the server has no such counter; one
   * that it did not name before was 0, as TGI names a counter when it first counts.
   */
  change(name: string, wanted: Labels = ALL): number | null {
    const after = sum(this.#after, name, wanted);
    if (after === null) return sum(this.#before, name, wanted) === null ? null : 0;
    const change = after - (sum(this.#before, name, wanted) ?? 0);
    if (change < -ROUNDING) this.#wentBack.add(name);
    return Math.max(0, change);
  }

  /** The first of these counters that the server has: names change with versions. */
  changeOfFirst(...names: readonly string[]): number | null {
    for (const name of names) {
      const change = this.change(name);
      if (change !== null) return change;
    }
    return null;
  }

  /** Mean of what a histogram or summary took in between, in thousandths of its unit; null where it took in nothing. */
  meanMs(...names: readonly string[]): number | null {
    for (const name of names) {
      const total = this.change(`${name}_sum`);
      const count = this.change(`${name}_count`);
      if (total !== null && count !== null) return count > 0 ? (1_000 * total) / count : null;
    }
    return null;
  }

  /** The sum over all labels at the end. */
  now(...names: readonly string[]): number | null {
    return names.map((name) => sum(this.#after, name, ALL)).find((value) => value !== null) ?? null;
  }

  /** The mean over all labels at the end: for shares, of which each engine has its own. */
  meanNow(...names: readonly string[]): number | null {
    const name = names.find((each) => sum(this.#after, each, ALL) !== null);
    const total = name === undefined ? null : sum(this.#after, name, ALL);
    return name === undefined || total === null ? null : total / (this.#after.get(name)?.length ?? 1);
  }

  /** A rate that is given as its mean since the start, of so many of `count`, as the mean since the former snapshot. */
  meanSince(mean: string, count: string): number | null {
    const [before, after] = [this.#before, this.#after].map((samples) => {
      const [average, times] = [sum(samples, mean, ALL), sum(samples, count, ALL)];
      return average === null || times === null ? null : { total: average * times, times };
    });
    if (!after) return null;
    const times = this.change(count) ?? 0;
    return times > 0 ? Math.max(0, after.total - (before?.total ?? 0)) / times : null;
  }
}

/** Null where no sample has the name, and for what is no number. */
function sum(samples: Samples, name: string, wanted: Labels): number | null {
  const found = samples.get(name);
  if (found === undefined) return null;
  let total = 0;
  for (const { labels, value } of found) if (wanted(labels)) total += value;
  return Number.isFinite(total) ? total : null;
}
