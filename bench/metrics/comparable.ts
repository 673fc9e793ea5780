/**
 * Whether two benchmarks may be compared. Their endpoints, servers and hardware may differ, as that is what one compares;
 * what was asked of them, and how it was counted, may not.
 */
import { isDeepStrictEqual } from "node:util";
import type { BenchReport, StageReport } from "../report/bench-report.ts";

/** MLPerf's tolerance: who generates less is faster, and not better (`research/bench-peers.md`, section 3). */
const MOST_APART = 0.1;

/** Why the two must not be compared, each a sentence; empty where they may. */
export function whyNotComparable(left: BenchReport, right: BenchReport): string[] {
  return [
    ...differences("prompts' ", left.prompts, right.prompts, PROMPT_NAMES),
    ...differ("The route", left.endpoint.route, right.endpoint.route),
    ...tokenSources(left, right),
    ...loads(left, right),
  ];
}

const PROMPT_NAMES = {
  source: "source",
  seed: "seed",
  nonce: "nonce",
  shared_prefix: "shared prefix",
  max_tokens: "max_tokens",
  ignore_eos: "ignore_eos",
  generation: "generation parameters",
} as const satisfies Partial<Record<keyof BenchReport["prompts"], string>>;

/** Of every stage, also of a sweep's, whose rates are what it found out. */
const STAGE_NAMES = {
  seconds: "seconds",
  requests: "number of requests",
  warm_up_seconds: "warm-up",
  cool_down_seconds: "cool-down",
  ramp_seconds: "ramp",
  max_in_flight: "limit in flight",
} as const satisfies Partial<Record<keyof StageReport["load"], string>>;

const LOAD_NAMES = {
  kind: "arrivals",
  concurrency: "concurrency",
  rate: "rate",
  ...STAGE_NAMES,
} as const satisfies Partial<Record<keyof StageReport["load"], string>>;

function loads(left: BenchReport, right: BenchReport): string[] {
  if (left.profile !== right.profile) return differ("The load profile", left.profile, right.profile);
  if (left.profile === "sweep") {
    return [
      ...sweptLoads(left.stages, right.stages),
      ...outputLengths("all stages together", left.stages, right.stages),
    ];
  }
  if (left.stages.length !== right.stages.length) {
    return differ("The number of stages", left.stages.length, right.stages.length);
  }
  return left.stages.flatMap((stage, index) => {
    const other = right.stages[index]!;
    const of = `stage ${stage.name}: `;
    return [
      ...differences(of, stage.load, other.load, LOAD_NAMES),
      ...(stage.load.kind === "poisson" ? differences(of, stage.load, other.load, { seed: "seed" }) : []),
      ...outputLengths(`the stage ${stage.name}`, [stage], [other]),
    ];
  });
}

/** The rates were found by the sweep. What all its stages share is that of its first, and full load is the second. */
function sweptLoads([left, leftFull]: readonly StageReport[], [right, rightFull]: readonly StageReport[]): string[] {
  if (left === undefined || right === undefined) return [];
  return [
    ...differences("stages' ", left.load, right.load, STAGE_NAMES),
    ...(leftFull === undefined || rightFull === undefined
      ? []
      : differences("full load's ", leftFull.load, rightFull.load, { concurrency: "concurrency" })),
  ];
}

function tokenSources(left: BenchReport, right: BenchReport): string[] {
  const sourcesOf = (report: BenchReport) =>
    [...new Set(report.stages.flatMap((stage) => Object.keys(stage.counts.token_sources)))].toSorted().join(" and ");
  return differ("The source of the token counts", sourcesOf(left), sourcesOf(right));
}

function outputLengths(of: string, left: readonly StageReport[], right: readonly StageReport[]): string[] {
  const [here, there] = [meanOutput(left), meanOutput(right)];
  if (here === null || there === null) return here === there ? [] : [`In ${of} one of the two has no answers.`];
  const apart = Math.abs(here - there) / Math.max(here, there);
  if (apart <= MOST_APART || here === there) return [];
  return [
    `In ${of} the mean answer has ${here.toFixed(1)} tokens in one and ${there.toFixed(1)} in the other, more than 10 % apart.`,
  ];
}

function meanOutput(stages: readonly StageReport[]): number | null {
  const outputs = stages.map((stage) => stage.metrics.output_tokens);
  const n = outputs.reduce((sum, output) => sum + output.n, 0);
  return n === 0 ? null : outputs.reduce((sum, output) => sum + (output.mean ?? 0) * output.n, 0) / n;
}

function differences<Key extends string>(
  of: string,
  left: Readonly<Record<Key, unknown>>,
  right: Readonly<Record<Key, unknown>>,
  names: Readonly<Partial<Record<Key, string>>>,
): string[] {
  return (Object.entries(names) as [Key, string][]).flatMap(([key, name]) =>
    differ(`The ${of}${name}`, left[key], right[key]),
  );
}

function differ(what: string, left: unknown, right: unknown): string[] {
  if (isDeepStrictEqual(left, right)) return [];
  return [`${what} is ${JSON.stringify(left)} in one and ${JSON.stringify(right)} in the other.`];
}
