/** Step time by batch through measured points: straight between them, flat below the first, an open question beyond the last. */

export interface CurvePoint {
  readonly batch: number;
  readonly ms: number;
}

export interface CurveDoubt {
  /**
   * What a larger batch than was measured does: at 0 step times go on as between the last two points, at 1 they grow with the
   * batch, so that the throughput stays what it was, at −1 not at all.
   */
  readonly beyond: number;
  /** How far the curve bends between two points: 0 for straight, above it for steep at first, below for steep at last. */
  readonly bend: number;
}

/** Half-way between two points, the share of their distance by which a bend of 1 leaves the straight line. */
const BEND = 0.15;

export function stepCurve(points: readonly CurvePoint[], { beyond, bend }: CurveDoubt): (batch: number) => number {
  const rising = neverFalling(points);
  const last = rising.at(-1)!;
  const before = rising.at(-2);
  const slope = before === undefined ? 0 : (last.ms - before.ms) / (last.batch - before.batch);
  return (batch) => {
    if (batch > last.batch) {
      const straight = last.ms + slope * (batch - last.batch);
      const saturated = Math.max(straight, (last.ms * batch) / last.batch);
      return straight + (beyond < 0 ? straight - last.ms : saturated - straight) * beyond;
    }
    const right = rising.findIndex((point) => point.batch >= batch);
    const [from, to] = [rising[right - 1], rising[right]!];
    if (from === undefined) return to.ms;
    const way = (batch - from.batch) / (to.batch - from.batch);
    const bent = way + 4 * BEND * bend * way * (1 - way);
    return from.ms + (to.ms - from.ms) * Math.min(1, Math.max(0, bent));
  };
}

/** A larger batch never takes less time; where measurements say so they are noise, and are averaged (pool adjacent violators). */
function neverFalling(points: readonly CurvePoint[]): readonly CurvePoint[] {
  const pools: { batches: number[]; ms: number }[] = [];
  for (const { batch, ms } of points.toSorted((a, b) => a.batch - b.batch)) {
    let pool = { batches: [batch], ms };
    for (let before = pools.at(-1); before !== undefined && before.ms >= pool.ms; before = pools.at(-1)) {
      const [left, right] = [before.batches.length, pool.batches.length];
      pool = {
        batches: [...before.batches, ...pool.batches],
        ms: (before.ms * left + pool.ms * right) / (left + right),
      };
      pools.pop();
    }
    pools.push(pool);
  }
  const all = pools.flatMap(({ batches, ms }) => batches.map((batch) => ({ batch, ms })));
  return all.filter(({ batch }, index) => batch !== all[index - 1]?.batch);
}
