/** Which runs are made, in which order, over how many rows: pure. */

export type PlannedRun = { readonly kind: "job" | "bare" | "job-one-endpoint"; readonly pair: number };

/**
 * First a job whose requests are recorded, then pairs. It is in no pair: it meets a server whose caches are cold, and all
 * that follow meet one that has seen these very prompts. Within pairs the order turns, so that neither side always comes
 * after the other: bare job, job bare, bare job.
 */
export function plannedRuns({
  repeats,
  scale,
}: {
  readonly repeats: number;
  readonly scale: boolean;
}): readonly PlannedRun[] {
  const kinds = ["bare", "job", ...(scale ? ["job-one-endpoint" as const] : [])] as const;
  const pairs = Array.from({ length: repeats }, (_, index) => {
    const pair = index + 1;
    return (pair % 2 === 1 ? kinds : kinds.toReversed()).map((kind) => ({ kind, pair }));
  });
  return [{ kind: "job", pair: 0 }, ...pairs.flat()];
}

/** Rounds through all slots that a run has at least, so that it is not all ramp and tail. */
const LEAST_ROUNDS = 4;
const MOST_ROWS = 200_000;

/** Rows that are run first to see how fast the endpoint goes: four rounds, of which the later ones count. */
export function trialRows(slots: number): number {
  return Math.max(16, LEAST_ROUNDS * slots);
}

/** Rows with which a job takes about `seconds` with full slots, by what a trial showed. */
export function rowsFor(
  seconds: number,
  trial: {
    readonly slots: number;
    readonly rows: number;
    readonly answers: number;
    /** Mean time of an answer under full load; null where there was none. */
    readonly answerMs: number | null;
  },
): number {
  const { slots, rows, answers, answerMs } = trial;
  const least = LEAST_ROUNDS * slots;
  if (answers === 0 || answerMs === null || answerMs <= 0) return least;
  const answersPerSecond = (slots * 1_000) / answerMs;
  const wanted = Math.round((seconds * answersPerSecond * rows) / answers);
  return Math.min(MOST_ROWS, Math.max(least, wanted));
}

/** Of the run in which one of two workers is killed: with twice the slots it takes as long as the others do. */
export function killRows(rows: number): number {
  return 2 * rows;
}

const SHARDS = 64;

/**
 * For the run in which a worker is killed: small enough that what the dead worker held is a small share of the job, as it is
 * of a long one. With the default of 256 all that is left of a few thousand rows would wait for its lease to run out.
 */
export function shardRowsFor(rows: number): number {
  return Math.max(1, Math.floor(rows / SHARDS));
}
