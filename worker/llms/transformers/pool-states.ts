/** How the hidden states of a text's tokens become one vector. */
import { TidingError } from "../../../shared/errors.ts";

/** `mean` of all tokens; `cls`, the first; `last`, the last. */
export type Pooling = "mean" | "cls" | "last";

const POOLINGS: readonly unknown[] = ["mean", "cls", "last"] satisfies readonly Pooling[];

export interface PoolingOptions {
  readonly pooling: Pooling;
  /** To length 1. */
  readonly normalize: boolean;
}

/** From `generation_kwargs`; the mean, as it stands, when they say nothing. Throws `SPEC_INVALID`. */
export function poolingOf(kwargs: Readonly<Record<string, unknown>>): PoolingOptions {
  const { pooling = "mean", normalize = false, ...others } = kwargs;
  const [other] = Object.keys(others);
  const wrong =
    other ?? (POOLINGS.includes(pooling) ? (typeof normalize === "boolean" ? null : "normalize") : "pooling");
  if (wrong !== null) {
    throw new TidingError("SPEC_INVALID", `generation_kwargs.${wrong} is no setting of a pooled embedding.`, {
      place: `generation_kwargs.${wrong}`,
      mend: "Write `pooling`: mean, cls or last; and `normalize`: true or false.",
    });
  }
  return { pooling: pooling as Pooling, normalize: normalize as boolean };
}

/** One state a token, one token at least. */
export function poolStates(states: readonly Float32Array[], { pooling, normalize }: PoolingOptions): number[] {
  const vector = pooling === "mean" ? meanOf(states) : [...((pooling === "cls" ? states[0] : states.at(-1)) ?? [])];
  if (!normalize) return vector;
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((value) => value / length);
}

function meanOf(states: readonly Float32Array[]): number[] {
  const sums = new Array<number>(states[0]?.length ?? 0).fill(0);
  for (const state of states) for (const [index, value] of state.entries()) sums[index] = (sums[index] ?? 0) + value;
  return sums.map((sum) => sum / states.length);
}
