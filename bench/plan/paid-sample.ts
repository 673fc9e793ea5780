/** Runs a few rows of a job for real, as the job would run them, and keeps what each call took. Nothing is written. */
import type { PreparedJob } from "../../jobs/prepare-job.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { sumCalls } from "../../shared/observe/call-counts.ts";
import type { RowValues } from "../../shared/rows/row-schema.ts";
import type { RowAnswer } from "../../worker/pipeline.ts";
import { runRow, type OutputRow } from "../../worker/row-run.ts";

export interface SampledCall {
  /** Index of the step. */
  readonly step: number;
  readonly generation: number;
  readonly endpoint: string;
  /** Null where the server does not say. */
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly answerChars: number;
  /** By the token limit. */
  readonly isCut: boolean;
  /** Tries that it took. */
  readonly requests: number;
  readonly startedAtMs: number;
  readonly durationMs: number;
}

export interface SampledRow {
  readonly rowId: number;
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    /** Name of the step. */
    readonly step: string;
    /** Requests that brought nothing of use. */
    readonly requests: number;
    /** Of answers that were refused for being cut, which are paid for all the same. */
    readonly inputTokens: number;
    readonly outputTokens: number;
  } | null;
  /** Those whose answers were of use, or of the wrong form. */
  readonly calls: readonly SampledCall[];
}

export interface PaidSample {
  readonly rows: readonly SampledRow[];
  readonly seconds: number;
}

/**
 * The first row runs alone: what is wrong with the job costs one row, and the endpoint is seen with and without company.
 * Rejects as a row does: with an error that stops the job, or the signal's reason.
 */
export async function paySample(
  job: PreparedJob,
  rows: readonly { readonly rowId: number; readonly values: RowValues }[],
  signal: AbortSignal,
): Promise<PaidSample> {
  const startedAtMs = performance.now();
  const calls = new Map<number, SampledCall[]>(rows.map(({ rowId }) => [rowId, []]));
  const onAnswer = ({ rowId, ...answered }: RowAnswer): void => void calls.get(rowId)?.push(callOf(answered));
  const pipeline = { ...job.steps.pipeline(0), onAnswer };
  const run = async (row: (typeof rows)[number]): Promise<SampledRow> => {
    const [first] = await runRow(row, pipeline, signal);
    const answered = calls.get(row.rowId) ?? [];
    return { rowId: row.rowId, error: errorOf(first?.engine, answered), calls: answered };
  };
  const [first, ...others] = rows;
  const alone = first === undefined ? [] : [await run(first)];
  const together = await Promise.all(others.map(run));
  const seconds = (performance.now() - startedAtMs) / 1_000;
  return { rows: withCutAnswers([...alone, ...together], job), seconds };
}

/** A failed row counts all its requests, those that were answered included. */
function errorOf(engine: OutputRow["engine"] | undefined, answered: readonly SampledCall[]): SampledRow["error"] {
  if (engine === undefined || engine.error_code === null) return null;
  const { error_code: code, error_message: message, error_step: step, attempts } = engine;
  const requests = Math.max(0, attempts - answered.reduce((sum, call) => sum + call.requests, 0));
  return { code, message: message ?? "", step: step ?? "", requests, inputTokens: 0, outputTokens: 0 };
}

/** What the gateways counted and no answer accounts for is that of the rows whose answer was cut, and refused for it. */
function withCutAnswers(rows: readonly SampledRow[], { steps }: PreparedJob): readonly SampledRow[] {
  const cut = rows.filter(({ error }) => error?.code === "ANSWER_CUT" && error.requests > 0).length;
  if (cut === 0) return rows;
  const counts = sumCalls(steps.gateways.map((gateway) => gateway.counts()));
  const calls = rows.flatMap((row) => row.calls);
  const told = (of: "inputTokens" | "outputTokens"): number => calls.reduce((sum, call) => sum + (call[of] ?? 0), 0);
  const each = {
    inputTokens: Math.max(0, counts.inputTokens - told("inputTokens")) / cut,
    outputTokens: Math.max(0, counts.outputTokens - told("outputTokens")) / cut,
  };
  return rows.map((row) => {
    const isCut = row.error?.code === "ANSWER_CUT" && row.error.requests > 0;
    return isCut && row.error !== null ? { ...row, error: { ...row.error, ...each } } : row;
  });
}

function callOf({ step, generation, answer }: Omit<RowAnswer, "rowId">): SampledCall {
  const { endpoint, inputTokens, outputTokens, text, finishReason, attempts, startedAtMs, durationMs } = answer;
  return {
    step,
    generation,
    endpoint,
    inputTokens,
    outputTokens,
    answerChars: text.length,
    isCut: finishReason === "length",
    requests: attempts,
    startedAtMs,
    durationMs,
  };
}
