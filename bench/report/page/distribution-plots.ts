import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import type { BenchReport, Distribution, StageReport } from "../bench-report.ts";
import { aboveZero, toneOf } from "./plot.ts";
import type { Plot, PlotGroup } from "./plot.ts";

const METRICS = [
  ["ttft", "Time to first token", "From when a request was due.", ({ metrics }: StageReport) => metrics.ttft_response],
  ["itl", "Inter-token latency", "Each token counted once.", ({ metrics }: StageReport) => metrics.itl],
  ["tpot", "Time per output token", "Mean of each request.", ({ metrics }: StageReport) => metrics.tpot],
  ["e2e", "End-to-end latency", "From when a request was due.", ({ metrics }: StageReport) => metrics.e2e_response],
  [
    "lag",
    "Client's lag",
    "From when a request was due to when it was sent.",
    ({ metrics }: StageReport) => metrics.client_lag,
  ],
] as const;

/** Percentiles p as −log10(1 − p), from 0 to 99.99 %. */
const NINES = Array.from({ length: 81 }, (_, step) => step / 20);

/** Whole distributions, a line a stage: tails are where stages differ. */
export function distributionPlots({ stages }: BenchReport): PlotGroup {
  return {
    id: "distribution",
    title: "Distributions",
    picker: "Metric",
    variants: METRICS.map(([key, title, caption, of]) => ({
      label: title,
      plots: [plotOf({ id: `distribution-${key}`, title, caption }, stages, of)],
    })),
    initial: 0,
  };
}

function plotOf(
  names: Pick<Plot, "id" | "title" | "caption">,
  stages: readonly StageReport[],
  of: (stage: StageReport) => Distribution,
): Plot {
  const curves = stages.map((stage) => curveOf(of(stage)));
  // What no stage has requests enough for would only be empty paper.
  const known = 1 + Math.max(20, ...curves.map((curve) => curve.findLastIndex((value) => value !== null)));
  return {
    ...names,
    caption: `${names.caption} Each line ends where fewer than two requests lie beyond.`,
    x: { label: "percentile", scale: "nines", unit: "percentile" },
    y: { label: "", scale: "log10", unit: "ms" },
    xs: NINES.slice(0, known),
    series: stages.map((stage, index) => ({
      label: stage.name,
      tone: toneOf(index, stages.length),
      values: curves[index]?.slice(0, known) ?? [],
      points: false,
      dashed: false,
    })),
    lines: [],
    shades: [],
  };
}

/** Milliseconds at each of `NINES`. */
function curveOf({ n, hdr }: Distribution): (number | null)[] {
  if (n === 0) return NINES.map(() => null);
  const histogram = decodeFromCompressedBase64(hdr);
  return NINES.map((nines) => {
    const beyond = 10 ** -nines;
    if (n * beyond < 2) return null;
    return aboveZero(histogram.getValueAtPercentile((1 - beyond) * 100) / 1_000);
  });
}
