/** Which of a plan's bench runs tells how long the job's answers are, if one does. */
import type { PreparedJob } from "../../jobs/prepare-job.ts";
import type { BenchReport } from "../report/bench-report.ts";
import type { KnownLengths } from "./forecast.ts";
import { knownLengths } from "./known-lengths.ts";
import type { PaidSample } from "./paid-sample.ts";

/** Fewer sampled answers say too little against a run that does not fit. */
const LEAST_CALLS = 8;

export interface BenchedLengths {
  readonly known: { readonly lengths: KnownLengths; readonly answers: number; readonly report: BenchReport } | null;
  /** Sentences: why a run of the same data was not taken. */
  readonly notes: readonly string[];
}

/** Only for jobs whose one step answers a column as it stands, with answers of any form. */
export function lengthsFrom(
  benches: readonly BenchReport[],
  { job, sample, model }: { readonly job: PreparedJob; readonly sample: PaidSample; readonly model: string | null },
): BenchedLengths {
  const { spec } = job.loaded;
  const [step] = spec.steps;
  const calls = sample.rows.flatMap((row) => row.calls);
  const column = promptColumn(job);
  const isPlain = spec.steps.length === 1 && step?.task === "text-generation" && step.template === undefined;
  if (!isPlain || step.llm === undefined || step.llm.structured_output !== undefined || column === null)
    return { known: null, notes: [] };
  const counted = calls.flatMap(({ inputTokens, outputTokens }) =>
    inputTokens === null || outputTokens === null ? [] : [{ inputTokens, outputTokens }],
  );
  if (counted.length < LEAST_CALLS) return { known: null, notes: [] };
  const notes: string[] = [];
  for (const report of benches) {
    const found = knownLengths(report, {
      llm: step.llm,
      model,
      files: job.source.files,
      column,
      inputTokens: counted.map(({ inputTokens }) => inputTokens),
      outputTokens: counted.map(({ outputTokens }) => outputTokens),
    });
    if (found.lengths !== null) return { known: { ...found, report }, notes };
    if (found.why !== null)
      notes.push(
        `The bench run ${report.id} had the job's own prompts, but tells nothing of its answers' length: ${found.why}.`,
      );
  }
  return { known: null, notes };
}

/** As the input's files name it. */
function promptColumn({ loaded, steps }: PreparedJob): string | null {
  const inputs = steps.columns.steps[0]?.inputs ?? {};
  const column = inputs["instruction"] ?? inputs["messages"] ?? null;
  const { columns } = loaded.spec.input;
  if (column === null || columns === undefined || Array.isArray(columns)) return column;
  return (columns as Readonly<Record<string, string>>)[column] ?? column;
}
