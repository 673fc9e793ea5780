/**
 * Whether two tools that took turns on one server measured the same: statistics of the runs' means, paired by round, because
 * what else the machine does changes from round to round.
 */

export type Verdict =
  /** Within the runs' spread, or nearer than anybody would tell apart. */
  | "agrees"
  /** Further apart than the runs' spread. */
  | "differs"
  /** The runs are too far apart from one another to tell. */
  | "unclear";

export interface Agreement {
  readonly verdict: Verdict;
  /** Mean of theirs − ours over the rounds. */
  readonly difference: number;
  /** Half of its confidence interval at 99 %: a smaller difference would not have been seen. */
  readonly spread: number;
}

/** Student's t for 99 %, two-sided, by degrees of freedom from 1. At 99 %, because a whole table of metrics is judged. */
const T_99 = [63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.25];
export const MOST_ROUNDS = T_99.length + 1;

/** Closer than this share of the mean nobody calls apart: as near as metrics must be to the truth on a server of known times. */
const ALIKE_SHARE = 0.02;
/** A spread beyond this share of the mean would let anything agree. */
const MOST_SPREAD = 0.1;

/** Compares the runs of one metric, a value a round, both in the order of the rounds. Throws a RangeError for 1 round or over 10. */
export function judge(ours: readonly number[], theirs: readonly number[]): Agreement {
  const rounds = ours.length;
  if (rounds < 2 || rounds > MOST_ROUNDS || theirs.length !== rounds) {
    throw new RangeError(`${rounds} and ${theirs.length} runs can not be compared.`);
  }
  const differences = theirs.map((value, round) => value - ours[round]!);
  const difference = mean(differences);
  const variance = differences.reduce((sum, value) => sum + (value - difference) ** 2, 0) / (rounds - 1);
  const spread = T_99[rounds - 2]! * Math.sqrt(variance / rounds);
  const size = mean(ours);
  const isAlike = Math.abs(difference) <= ALIKE_SHARE * size;
  const isWithin = Math.abs(difference) <= spread;
  const isTold = spread <= MOST_SPREAD * size;
  return { verdict: isWithin && !isTold ? "unclear" : isWithin || isAlike ? "agrees" : "differs", difference, spread };
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
