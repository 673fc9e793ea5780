import { whyNotComparable } from "../metrics/comparable.ts";
import { TidingError } from "../../shared/errors.ts";
import type { BenchReport, Distribution, StageReport } from "./bench-report.ts";
import { liesBeyond, spreadOfQuantile, spreadOfRate, spreadOfShare } from "./spread.ts";
import type { Quantile, Spread } from "./spread.ts";

export interface ComparedFigure {
  readonly figure: string;
  readonly unit: "req/s" | "tok/s" | "ms" | "share";
  readonly a: number | null;
  readonly b: number | null;
  /** (b − a) / a; null where a is 0 or one is not known. */
  readonly change: number | null;
  /** Whether they differ by more than both runs spread in themselves; null where that is not known. */
  readonly beyond_spread: boolean | null;
  /** Which of the two is better, by the figure alone; null where they are equal or one is not known. */
  readonly better: "a" | "b" | null;
}

export interface ComparedStage {
  readonly name: string;
  readonly figures: readonly ComparedFigure[];
}

export interface Comparison {
  readonly version: 1;
  /** What a sweep found; empty otherwise. */
  readonly sweep: readonly ComparedFigure[];
  readonly stages: readonly ComparedStage[];
  /** Stages of a sweep that the other has not: each sweep finds its own rates. */
  readonly only_a: readonly string[];
  readonly only_b: readonly string[];
}

/** Throws `USAGE` for runs that are unlike: a difference between them would say nothing of what was measured. */
export function compareReports(a: BenchReport, b: BenchReport): Comparison {
  const reasons = whyNotComparable(a, b);
  if (reasons.length > 0) {
    const message = ["The two runs are unlike, so their figures do not compare.", ...reasons].join("\n");
    throw new TidingError("USAGE", message, { mend: "Measure one of them again with the options of the other." });
  }
  const pairs = a.stages.flatMap((stage, index) => {
    const other = a.profile === "sweep" ? b.stages.find(({ name }) => name === stage.name) : b.stages[index];
    return other === undefined ? [] : [{ stage, other }];
  });
  const [pairedA, pairedB] = [pairs.map(({ stage }) => stage), pairs.map(({ other }) => other)];
  return {
    version: 1,
    sweep: compareSweeps(a, b),
    stages: pairs.map(({ stage, other }) => ({ name: stage.name, figures: compareStages(stage, other) })),
    only_a: a.stages.filter((stage) => !pairedA.includes(stage)).map(({ name }) => name),
    only_b: b.stages.filter((stage) => !pairedB.includes(stage)).map(({ name }) => name),
  };
}

interface Figure {
  readonly figure: string;
  readonly unit: ComparedFigure["unit"];
  readonly higherIsBetter: boolean;
  readonly of: (stage: StageReport) => Spread;
}

function latency(
  name: string,
  quantiles: readonly Quantile[],
  of: (stage: StageReport) => Distribution,
  independent?: (stage: StageReport) => number,
): Figure[] {
  return quantiles.map((key) => ({
    figure: `${name} ${key}`,
    unit: "ms",
    higherIsBetter: false,
    of: (stage) => spreadOfQuantile(of(stage), key, independent?.(stage)),
  }));
}

const FIGURES: readonly Figure[] = [
  {
    figure: "requests",
    unit: "req/s",
    higherIsBetter: true,
    of: (stage) => spreadOfRate(stage, stage.throughput.req_s, ({ completed }) => completed),
  },
  {
    figure: "output tokens",
    unit: "tok/s",
    higherIsBetter: true,
    of: (stage) => spreadOfRate(stage, stage.throughput.out_tok_s, ({ output_tokens: tokens }) => tokens),
  },
  ...latency("TTFT", ["p50", "p90", "p99"], ({ metrics }) => metrics.ttft_response),
  ...latency(
    "ITL",
    ["p50", "p99"],
    ({ metrics }) => metrics.itl,
    ({ metrics }) => metrics.tpot.n,
  ),
  ...latency("E2E", ["p50", "p90", "p99"], ({ metrics }) => metrics.e2e_response),
  {
    figure: "failed",
    unit: "share",
    higherIsBetter: false,
    of: ({ counts }) => spreadOfShare(counts.scheduled === 0 ? 0 : counts.errors / counts.scheduled, counts.scheduled),
  },
  {
    figure: "within the SLO",
    unit: "share",
    higherIsBetter: true,
    of: ({ slo, counts }) =>
      slo === null ? { value: null, bounds: null } : spreadOfShare(slo.attainment, counts.scheduled),
  },
];

function compareStages(a: StageReport, b: StageReport): ComparedFigure[] {
  return FIGURES.map(({ of, ...figure }) => compared(figure, of(a), of(b))).filter(
    (figure) => figure.a !== null || figure.b !== null,
  );
}

const SWEEP_FIGURES = [
  ["one at a time", "synchronous_req_s"],
  ["full load", "throughput_req_s"],
  ["knee", "knee_req_s"],
  ["within the SLO", "slo_req_s"],
] as const;

function compareSweeps({ sweep: a }: BenchReport, { sweep: b }: BenchReport): ComparedFigure[] {
  if (a === null || b === null) return [];
  return SWEEP_FIGURES.map(([figure, key]) => {
    const [one, other] = [a[key], b[key]].map((value) => ({ value, bounds: null }));
    return compared({ figure, unit: "req/s", higherIsBetter: true }, one!, other!);
  }).filter((figure) => figure.a !== null || figure.b !== null);
}

function compared({ figure, unit, higherIsBetter }: Omit<Figure, "of">, a: Spread, b: Spread): ComparedFigure {
  const isKnown = a.value !== null && b.value !== null;
  const bIsBetter = isKnown && (higherIsBetter ? b.value > a.value : b.value < a.value);
  return {
    figure,
    unit,
    a: a.value,
    b: b.value,
    change: isKnown && a.value !== 0 ? (b.value - a.value) / a.value : null,
    beyond_spread: liesBeyond(a, b),
    better: !isKnown || a.value === b.value ? null : bIsBetter ? "b" : "a",
  };
}
