/**
 * Whether a bench run tells how long the job's answers are. Twenty rows know a mean to about 7 % where lengths spread by 30 %;
 * a bench run has hundreds of answers. They are taken only where the run asked the same model for the same thing: prompts
 * from the job's own files and column, the same parameters, the server free to stop. And never against the sample.
 */
import type { InputFile } from "../../coordinator/input/row-source.ts";
import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import type { BenchReport, StageReport } from "../report/bench-report.ts";
import { lengthsOf } from "./bench-stages.ts";
import type { KnownLengths } from "./forecast.ts";
import { mean, standardError } from "./statistics.ts";

const LEAST_ANSWERS = 50;
/** The sample's mean may be so many of its standard errors away. */
const MOST_APART = 3;
/** Share by which prompts may differ in length, and the tokens that a nonce adds to them. */
const MOST_PROMPT_DIFFERENCE = 0.1;
const NONCE_TOKENS = 16;
const MOST_LOST = 0.02;

export interface AskedJob {
  /** The only step, of task text-generation; its answers have no form. */
  readonly llm: LLMSpec;
  readonly model: string | null;
  readonly files: readonly InputFile[];
  /** The file's column whose texts are the prompts. */
  readonly column: string;
  /** Of each sampled call. */
  readonly inputTokens: readonly number[];
  readonly outputTokens: readonly number[];
}

/** The lengths; or null, with the reason where the run is of this data and still cannot serve. */
export function knownLengths(
  report: BenchReport,
  job: AskedJob,
):
  | { readonly lengths: KnownLengths; readonly answers: number }
  | { readonly lengths: null; readonly why: string | null } {
  const { prompts } = report;
  const isSameData =
    job.files.length > 0 &&
    job.files.every(({ sample }) => prompts.source.includes(`#${sample.slice(0, 8)}`)) &&
    prompts.source.includes(`, column ${job.column}:`);
  if (!isSameData) return { lengths: null, why: null };
  const why = differenceOf(report, job);
  if (why !== null) return { lengths: null, why };
  const stages = report.stages.filter(isWhole);
  const answers = stages.reduce((sum, { counts }) => sum + counts.ok, 0);
  if (answers < LEAST_ANSWERS) return { lengths: null, why: `it has no more than ${answers} answers` };
  const over = (of: (metrics: StageReport["metrics"]) => number | null): number =>
    stages.reduce((sum, { counts, metrics }) => sum + counts.ok * (of(metrics) ?? 0), 0) / answers;
  const [outputMean, promptMean] = [over((of) => of.output_tokens.mean), over((of) => of.prompt_tokens.mean)];
  const [ourOutput, ourPrompt] = [mean(job.outputTokens), mean(job.inputTokens)];
  const longer = prompts.nonce ? NONCE_TOKENS : 0;
  const isLike =
    promptMean >= ourPrompt * (1 - MOST_PROMPT_DIFFERENCE) &&
    promptMean <= ourPrompt * (1 + MOST_PROMPT_DIFFERENCE) + longer;
  if (!isLike) return { lengths: null, why: apart("prompts", promptMean, ourPrompt) };
  if (Math.abs(ourOutput - outputMean) > MOST_APART * standardError(job.outputTokens))
    return { lengths: null, why: apart("answers", outputMean, ourOutput) };
  const variance = over(({ output_tokens: output }) => (output.std ?? 0) ** 2);
  const [largest] = stages.toSorted((a, b) => b.counts.ok - a.counts.ok);
  const lengths = lengthsOf({ ...largest!.metrics.output_tokens, mean: outputMean });
  return { lengths: { step: 0, lengths, standardError: Math.sqrt(variance / answers) }, answers };
}

/** Of a stage that was cut or failed in part, long answers are missing. */
function isWhole({ counts }: StageReport): boolean {
  return counts.ok > 0 && counts.errors + counts.incomplete <= MOST_LOST * counts.ok;
}

function apart(what: string, theirs: number, ours: number): string {
  return `its ${what} have ${Math.round(theirs)} tokens on average, the sample's ${Math.round(ours)}`;
}

function differenceOf({ prompts, endpoint }: BenchReport, { llm, model }: AskedJob): string | null {
  const { max_new_tokens: most, seed: _, ...sampling } = llm.generation_kwargs;
  const { max_new_tokens: _own, max_tokens: _theirs, seed: _seed, ...theirs } = prompts.generation;
  if (prompts.ignore_eos) return "its answers were made to go on to max_tokens";
  if (model !== null && endpoint.model !== model) return `it is of the model ${endpoint.model}`;
  if (most !== undefined && prompts.max_tokens !== most)
    return `it had max_tokens ${prompts.max_tokens}, and not ${most}`;
  if (sortedJson(theirs) !== sortedJson(sampling)) return "it had other generation parameters";
  return null;
}

function sortedJson(of: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.entries(of).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
