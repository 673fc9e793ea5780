/** What a prompt costs, from how long first tokens take where requests come one at a time. */
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import type { Stage } from "./bench-stages.ts";
import type { CurvePoint } from "./step-curve.ts";

/** Fewer first tokens do not tell how they spread; nor do prompts that spread less than so much of their mean length. */
const LEAST_FIRSTS = 10;
const LEAST_SPREAD = 0.1;
/** Then so much of what a first token takes longer than the next is taken to be the prompt's. */
const UNTOLD_SHARE = 0.5;
/** Largest batch of TGI's CUDA graphs. */
const GRAPHS = 32;

export interface Prefill {
  readonly msPerToken: number;
  /** What else a first token takes longer than the next. */
  readonly overheadMs: number;
}

/** Of the stage with the fewest at a time; nothing where even there requests stood in each other's way. */
export function prefillOf(stages: readonly Stage[]): Prefill {
  const [least] = stages;
  if (least === undefined || least.batch > 2) return { msPerToken: 0, overheadMs: 0 };
  // Medians: what else the machine does makes some answers late, and none early.
  const { promptTokens, gapMs, firstMs, firsts } = least;
  const beyondStepMs = Math.max(0, (firsts.p50 ?? firstMs) - gapMs);
  const told = spreadRatio(least);
  // No more than leaves every stage some of its time between tokens.
  const most = stages.map((stage) => 700 / Math.max(1e-9, stage.requestsPerSecond * stage.promptTokens));
  const msPerToken = Math.min(
    (beyondStepMs / Math.max(1, promptTokens)) * (told === null ? UNTOLD_SHARE : 1),
    told ?? Infinity,
    ...most,
  );
  return { msPerToken, overheadMs: beyondStepMs - msPerToken * promptTokens };
}

/** Milliseconds of first tokens to a token of prompts, both by how far their lower quantiles lie apart; null where they do not. */
function spreadRatio({ firsts, prompts, promptTokens }: Stage): number | null {
  if (firsts.n < LEAST_FIRSTS || prompts.n < LEAST_FIRSTS) return null;
  const [ms, tokens] = [firsts, prompts].map((of) => {
    const histogram = decodeFromCompressedBase64(of.hdr);
    return (histogram.getValueAtPercentile(60) - histogram.getValueAtPercentile(10)) / 1_000;
  });
  return tokens! < LEAST_SPREAD * promptTokens ? null : ms! / tokens!;
}

/**
 * TGI captures CUDA graphs for batches of up to 32, and steps that read prompts run without: so what a first token takes
 * longer than the next is, but for the network, what every step takes longer beyond 32 (`research/bench-peers.md`, sections 8
 * and 9.1). Between a point below and one above, the curve therefore jumps there, and is not one straight line.
 */
export function withEndOfGraphs(points: readonly CurvePoint[], overheadMs: number): readonly CurvePoint[] {
  const below = points.filter(({ batch }) => batch <= GRAPHS);
  const above = points.filter(({ batch }) => batch > GRAPHS);
  const [least, first, last] = [below[0], above[0], below.at(-1)];
  if (least === undefined || first === undefined || last === undefined || least.batch > 2) return points;
  const eagerAlone = least.ms + overheadMs;
  const eagerSlope = Math.max(0, first.ms - eagerAlone) / (first.batch - least.batch);
  const before = below.at(-2);
  const graphSlope = before === undefined ? eagerSlope : Math.max(0, last.ms - before.ms) / (last.batch - before.batch);
  const end = { batch: GRAPHS, ms: Math.min(first.ms, last.ms + graphSlope * (GRAPHS - last.batch)) };
  const start = { batch: GRAPHS + 1, ms: Math.min(first.ms, eagerAlone + eagerSlope * (GRAPHS + 1 - least.batch)) };
  return [...below, ...(last.batch < GRAPHS ? [end] : []), ...(first.batch > GRAPHS + 1 ? [start] : []), ...above];
}
