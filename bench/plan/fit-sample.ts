/**
 * An endpoint's step time from the sample's own service times: what a call took for each of its tokens, against how many
 * calls were under way meanwhile. One row runs alone at first, so there are two ends to draw a line between. A job with more
 * slots than the sample had rows goes beyond it: then the time is a bound.
 */
import { spreadFactor, type EndpointBelief } from "./endpoint-belief.ts";
import { stepCurve, type CurvePoint } from "./step-curve.ts";

/** A call as the client saw it. */
export interface ServedCall {
  /** Position of its row in the sample. */
  readonly row: number;
  readonly tokens: number;
  readonly startedAtMs: number;
  readonly durationMs: number;
}

/** Servers are shared, and a minute is not the next. */
const MOMENT_TO_MOMENT = 0.05;

export function fitSample(calls: readonly ServedCall[]): EndpointBelief {
  const served = calls.map((call) => ({ ...call, meanwhile: meanwhileOf(call, calls) }));
  const knownUpTo = Math.max(1, ...served.map(({ meanwhile }) => meanwhile));
  return {
    knownUpTo,
    model(chance) {
      const counts = new Map<number, number>();
      for (const row of chance?.rows ?? []) counts.set(row, (counts.get(row) ?? 0) + 1);
      const drawn =
        chance === null ? served : served.flatMap((call) => Array<typeof call>(counts.get(call.row) ?? 0).fill(call));
      const points = lineOf(drawn.length === 0 ? served : drawn, knownUpTo);
      const factor = spreadFactor(chance, MOMENT_TO_MOMENT);
      return {
        stepMs: stepCurve(
          points.map(({ batch, ms }) => ({ batch, ms: ms * factor })),
          // Nobody knows: anything between a server that has room and one that is full already.
          { beyond: chance === null ? 0 : 2 * chance.uniform() - 1, bend: 0 },
        ),
        prefillMsPerToken: 0,
        prefillBudget: Infinity,
        overheadMs: 0,
        kvTokens: Infinity,
        stepsBetweenAdmissions: 0,
      };
    },
  };
}

/** Calls under way while it was, itself included, on average over its time. */
function meanwhileOf(call: ServedCall, calls: readonly ServedCall[]): number {
  const endMs = call.startedAtMs + call.durationMs;
  const sharedMs = calls.reduce((sum, other) => {
    const from = Math.max(call.startedAtMs, other.startedAtMs);
    return sum + Math.max(0, Math.min(endMs, other.startedAtMs + other.durationMs) - from);
  }, 0);
  return Math.max(1, sharedMs / Math.max(1e-9, call.durationMs));
}

/** duration = tokens × (a + b × meanwhile), by least squares with neither below 0; a point at 1 and one at the most. */
function lineOf(
  calls: readonly (ServedCall & { readonly meanwhile: number })[],
  knownUpTo: number,
): readonly CurvePoint[] {
  let [nn, nm, mm, nd, md] = [0, 0, 0, 0, 0];
  for (const { tokens, meanwhile, durationMs } of calls) {
    const crowd = tokens * meanwhile;
    nn += tokens * tokens;
    nm += tokens * crowd;
    mm += crowd * crowd;
    nd += tokens * durationMs;
    md += crowd * durationMs;
  }
  const determinant = nn * mm - nm * nm;
  let a = determinant <= 1e-9 * nn * mm ? nd / nn : (nd * mm - md * nm) / determinant;
  let b = determinant <= 1e-9 * nn * mm ? 0 : (md * nn - nd * nm) / determinant;
  if (b < 0) [a, b] = [nd / nn, 0];
  if (a < 0) [a, b] = [0, md / mm];
  const points = [{ batch: 1, ms: a + b }];
  return knownUpTo > 1.01 ? [...points, { batch: knownUpTo, ms: a + b * knownUpTo }] : points;
}
