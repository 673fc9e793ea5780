/** Every metric that two tools define alike, judged; where they differ, by what was measured beside it. */
import { judge, mean } from "./agreement.ts";
import type { Agreement } from "./agreement.ts";
import { METRICS } from "./bench-tool.ts";
import type { BenchTool, Metric, ToolRun } from "./bench-tool.ts";
import type { ServerTimes } from "./server-clock.ts";

/** A tool's run, and what the server says of that time. */
export interface Observed extends ToolRun {
  /** Of the machine: the last minute's average as the run began. */
  readonly load: number;
  readonly server: ServerTimes;
}

export interface Comparison extends Agreement {
  readonly metric: Metric;
  readonly ours: readonly number[];
  /** As the tool reported them; the judgement is of what is left without what `explanation` names. */
  readonly theirs: readonly number[];
  /** What was taken out of theirs, with its size as measured; null where they were judged as they stand. */
  readonly explanation: string | null;
}

/** Runs of two tools, in the order of the rounds. */
export interface Sides {
  readonly ours: readonly Observed[];
  readonly theirs: readonly Observed[];
}

interface Adjustment {
  readonly explanation: string | null;
  readonly values: readonly number[];
}

/**
 * Judges each of these metrics that the tool has as it stands; where that differs or cannot be told, without what makes it another: the clock's start,
 * the server's own pace in those runs, and both.
 */
export function compareTool(
  { definitions }: Pick<BenchTool, "definitions">,
  sides: Sides,
  metrics: readonly Metric[] = METRICS,
): readonly Comparison[] {
  return metrics
    .filter((metric) => definitions[metric] !== undefined)
    .map((metric): Comparison => {
      const [ours, theirs] = [valuesOf(sides.ours, metric), valuesOf(sides.theirs, metric)];
      const judged = [{ explanation: null, values: theirs }, ...adjustments(metric, theirs, sides)].map(
        ({ explanation, values }): Comparison => {
          return { metric, ours, theirs, explanation, ...judge(ours, values) };
        },
      );
      return judged.find(({ verdict }) => verdict === "agrees") ?? judged[0]!;
    });
}

function valuesOf(runs: readonly Observed[], metric: Metric): readonly number[] {
  return runs.map(({ metrics }) => metrics[metric] ?? NaN);
}

/** The server's own time of what a metric measures. */
const CLOCKS: Readonly<Record<Metric, { readonly of: keyof ServerTimes; readonly words: string }>> = {
  ttft: { of: "promptMs", words: "a prompt" },
  tpot: { of: "tokenMs", words: "a token" },
  itl: { of: "tokenMs", words: "a token" },
  icl: { of: "tokenMs", words: "a token" },
  e2e: { of: "requestMs", words: "a request" },
  ntpot: { of: "requestMs", words: "a request" },
  out_tok_s: { of: "requestMs", words: "a request" },
};

function adjustments(metric: Metric, values: readonly number[], { ours, theirs }: Sides): readonly Adjustment[] {
  const { of, words } = CLOCKS[metric];
  const [ourMs, theirMs] = [ours, theirs].map((runs) => runs.map(({ server }) => server[of]));
  const pace = `by its own clock the server took ${shown(theirMs!)} ms ${words} in its runs, ${shown(ourMs!)} in ours`;
  const atOurPace = (some: readonly number[]): number[] =>
    some.map((value, round) => {
      const ratio = ourMs![round]! / theirMs![round]!;
      return metric === "out_tok_s" ? value / ratio : value * ratio;
    });
  const beforeMs = theirs.map(({ beforeSocketMs }) => beforeSocketMs);
  if ((metric !== "ttft" && metric !== "e2e") || mean(beforeMs) === 0) {
    return [{ explanation: pace, values: atOurPace(values) }];
  }
  const start = `its clock starts ${shown(beforeMs)} ms before the request is handed to the socket`;
  const fromSocket = values.map((value, round) => value - beforeMs[round]!);
  return [
    { explanation: start, values: fromSocket },
    { explanation: pace, values: atOurPace(values) },
    { explanation: `${start}; ${pace}`, values: atOurPace(fromSocket) },
  ];
}

function shown(values: readonly number[]): string {
  return mean(values).toFixed(2);
}
