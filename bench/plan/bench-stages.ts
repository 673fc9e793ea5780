/** Of a bench run's stages what a fit needs, and only of those that tell how fast the endpoint is. */
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import { TidingError } from "../../shared/errors.ts";
import type { BenchReport, Distribution, StageReport } from "../report/bench-report.ts";

/** Of a stage; one request at a time brings few in half a minute, and of each of its tokens a time. */
const LEAST_ANSWERS = 3;
const LEAST_GAPS = 100;
const MOST_ERRORS = 0.05;
const LENGTHS = 199;

export interface Stage {
  readonly name: string;
  /** Requests in flight of a closed loop; null for others. */
  readonly concurrency: number | null;
  /** Sequences that decode at a time. */
  readonly batch: number;
  /** Between tokens. */
  readonly gapMs: number;
  /** To the first token, from sending. */
  readonly firstMs: number;
  readonly firsts: Distribution;
  readonly prompts: Distribution;
  readonly promptTokens: number;
  readonly outputTokens: Distribution;
  readonly tokensPerSecond: number;
  readonly requestsPerSecond: number;
  /** The report says that the client was the limit. */
  readonly isClientLimited: boolean;
}

/** With the smallest batch first. Throws `USAGE` where no stage can be used. */
export function benchStages(report: BenchReport): readonly Stage[] {
  const stages = report.stages.flatMap(usable).toSorted((a, b) => a.batch - b.batch);
  if (stages.length > 0) return stages;
  throw new TidingError(
    "USAGE",
    `The bench run ${report.id} has no stage from which an endpoint's speed could be told: ${report.stages.length} stages, ` +
      `none with ${LEAST_ANSWERS} streamed answers, few errors, and a load that was kept up.`,
    {
      place: "--bench",
      mend: "Measure the endpoint with one request at a time and with as many as the job has slots: tiding bench URL --concurrency 1,64",
    },
  );
}

function usable(stage: StageReport): readonly Stage[] {
  const { counts, metrics, throughput, load } = stage;
  const gapMs = metrics.itl.mean ?? metrics.tpot.mean;
  const firstMs = metrics.ttft_service.mean;
  const [promptTokens, outputTokens] = [metrics.prompt_tokens.mean, metrics.output_tokens.mean];
  if (gapMs === null || firstMs === null || promptTokens === null || outputTokens === null) return [];
  const gaps = metrics.itl.mean === null ? metrics.tpot.n * outputTokens : metrics.itl.n;
  const isSound =
    counts.ok >= LEAST_ANSWERS && gaps >= LEAST_GAPS && throughput.error_rate <= MOST_ERRORS && outputTokens > 1;
  // A queue without end, and a burst that drains, have no one batch.
  if (!isSound || load.kind === "at-once" || (load.kind !== "closed" && stage.over_saturated === true)) return [];
  const batch = (throughput.out_tok_s * gapMs) / 1_000;
  return [
    {
      name: stage.name,
      concurrency: load.kind === "closed" ? load.concurrency : null,
      batch: Math.max(1, batch),
      gapMs,
      firstMs,
      firsts: metrics.ttft_service,
      prompts: metrics.prompt_tokens,
      promptTokens,
      outputTokens: metrics.output_tokens,
      tokensPerSecond: throughput.out_tok_s,
      isClientLimited: stage.client.limited,
      // By tokens: of a few long requests, how many end in the window is chance.
      requestsPerSecond: throughput.out_tok_s / outputTokens,
    },
  ];
}

/** Evenly spread over the distribution, so that their mean is its mean. */
export function lengthsOf(distribution: Distribution): readonly number[] {
  const histogram = decodeFromCompressedBase64(distribution.hdr);
  const lengths = Array.from(
    { length: LENGTHS },
    (_, index) => histogram.getValueAtPercentile(((index + 0.5) * 100) / LENGTHS) / 1_000,
  );
  const mean = lengths.reduce((sum, length) => sum + length, 0) / LENGTHS;
  const factor = mean === 0 ? 1 : (distribution.mean ?? mean) / mean;
  return lengths.map((length) => Math.max(1, length * factor));
}
