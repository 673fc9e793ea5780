/** Measuring on a machine whose host takes its cores away at times: each thing when least was taken. */

/** Of a core's time, over all cores: about that share of tokens is written or read late, and for p99 one in a hundred may be. */
const LITTLE = 0.005;

export interface Try<Result> {
  readonly result: Result;
  /** What was stolen meanwhile, as a share of a core's time. */
  readonly stolen: number;
}

export interface LeastStolen<Item, Result> {
  readonly item: Item;
  readonly result: Result;
  /** In each try. */
  readonly stolen: readonly number[];
}

/**
 * Measures each of `items`, and those from which more than a little was stolen again when all have had their turn, since bad
 * moments last minutes; `tries` times at most. Of each that result counts during which least was stolen, whatever it is.
 */
export async function leastStolen<Item, Result>(
  items: readonly Item[],
  tries: number,
  measure: (item: Item) => Promise<Try<Result>>,
): Promise<readonly LeastStolen<Item, Result>[]> {
  const all = items.map((item) => ({ item, measured: [] as Try<Result>[] }));
  for (let turn = 0; turn < tries; turn++) {
    for (const { item, measured } of all) {
      if (!measured.some(({ stolen }) => stolen <= LITTLE)) measured.push(await measure(item));
    }
  }
  return all.map(({ item, measured }) => {
    const best = measured.reduce((least, one) => (one.stolen < least.stolen ? one : least));
    return { item, result: best.result, stolen: measured.map(({ stolen }) => stolen) };
  });
}
