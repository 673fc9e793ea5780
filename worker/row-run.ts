/**
 * One row through its steps. Steps of a row run one after the other; its generations run side by side; rows know
 * nothing of each other. A row ends as output rows or as one failed row, and commits with all its generations.
 */
import { isTidingError, messageOf, TidingError } from "../shared/errors.ts";
import { fitValue, MISFIT } from "../shared/rows/infer-type.ts";
import type { EngineValues } from "../shared/rows/result-batch.ts";
import type { RowValues } from "../shared/rows/row-schema.ts";
import type { Pipeline, PipelineStep } from "./pipeline.ts";
import { seedOf, taskLLM, type CallRecord, type TaskRunOf } from "./task-llm.ts";

export interface OutputRow {
  readonly values: RowValues;
  readonly engine: EngineValues;
}

interface Variant {
  readonly values: RowValues;
  readonly calls: readonly CallRecord[];
}

/**
 * Runs a row. Resolves with its output rows, or with a single failed one; rejects only when `signal` was aborted or
 * with an error that stops the job (classes `job`, `usage` and `engine`).
 *
 * @param onCall called just before each call of an LLM.
 */
export async function runRow(
  row: { readonly rowId: number; readonly values: RowValues },
  pipeline: Pipeline,
  signal: AbortSignal,
  onCall?: () => void,
): Promise<readonly OutputRow[]> {
  const startedAtMs = Date.now();
  let variants: readonly Variant[] = [{ values: row.values, calls: [] }];
  for (const step of pipeline.steps) {
    const outcome = await runStep({ step, pipeline, rowId: row.rowId, variants, signal, onCall });
    if ("failure" in outcome) {
      signal.throwIfAborted();
      const stops = isTidingError(outcome.failure) && ["job", "usage", "engine"].includes(outcome.failure.class);
      if (stops) throw outcome.failure;
      return [failedRow(row, { step: step.name, error: outcome.failure, calls: outcome.calls, startedAtMs })];
    }
    variants = outcome.variants;
  }
  return variants.map((variant, generation) => ({
    values: variant.values,
    engine: engineValues(row.rowId, generation, variant.calls, startedAtMs),
  }));
}

type StepOutcome =
  | { readonly variants: readonly Variant[] }
  | { readonly failure: unknown; readonly calls: readonly CallRecord[] };

interface StepRun {
  readonly step: PipelineStep;
  readonly pipeline: Pipeline;
  readonly rowId: number;
  readonly variants: readonly Variant[];
  readonly signal: AbortSignal;
  readonly onCall: (() => void) | undefined;
}

function runStep(run: StepRun): Promise<StepOutcome> {
  const [single] = run.variants;
  // Apart from the general case because nearly all rows take it, and an async function's state grows with its code.
  if (single !== undefined && run.variants.length === 1 && run.step.numGenerations === 1) return runOnce(run, single);
  return runFannedOut(run);
}

async function runOnce({ step, pipeline, rowId, signal, onCall }: StepRun, before: Variant): Promise<StepOutcome> {
  const calls: CallRecord[] = [];
  try {
    const values = await runTask({
      step,
      pipeline,
      rowId,
      signal,
      onCall,
      values: before.values,
      generation: 0,
      calls,
    });
    return { variants: [{ values: joinValues(before.values, values), calls: joinCalls(before.calls, calls) }] };
  } catch (error) {
    return { failure: error, calls: joinCalls(before.calls, calls) };
  }
}

async function runFannedOut(run: StepRun): Promise<StepOutcome> {
  const { step, variants } = run;
  const next: Variant[] = [];
  for (const [index, outcome] of (
    await Promise.allSettled(variants.map((variant, at) => fanOut(run, variant, at)))
  ).entries()) {
    if (outcome.status === "rejected") throw outcome.reason;
    const variant = variants[index];
    const { answers, failures, calls } = outcome.value;
    const [firstFailure] = failures;
    const failed = firstFailure !== undefined && (!step.keepPartial || answers.length === 0);
    if (variant === undefined || failed) return { failure: firstFailure, calls };
    if (!step.groupGenerations) {
      for (const answer of answers) {
        next.push({ values: joinValues(variant.values, answer.values), calls: joinCalls(variant.calls, answer.calls) });
      }
      continue;
    }
    const grouped: RowValues = {};
    for (const { to } of step.outputs) grouped[to] = answers.map((answer) => answer.values[to] ?? null);
    next.push({ values: joinValues(variant.values, grouped), calls: joinCalls(variant.calls, calls) });
  }
  return { variants: next };
}

interface FannedOut {
  readonly answers: readonly Variant[];
  readonly failures: readonly unknown[];
  readonly calls: readonly CallRecord[];
}

async function fanOut(run: StepRun, variant: Variant, at: number): Promise<FannedOut> {
  const { numGenerations } = run.step;
  const perGeneration = Array.from({ length: numGenerations }, (): CallRecord[] => []);
  const settled = await Promise.allSettled(
    perGeneration.map((calls, index) =>
      runTask({ ...run, values: variant.values, generation: at * numGenerations + index, calls }),
    ),
  );
  const answers: Variant[] = [];
  const failures: unknown[] = [];
  for (const [index, outcome] of settled.entries()) {
    if (outcome.status === "rejected") failures.push(outcome.reason);
    else answers.push({ values: outcome.value, calls: perGeneration[index] ?? [] });
  }
  return { answers, failures: stoppersFirst(failures), calls: perGeneration.flat() };
}

/** An error that stops the job must not hide behind a sibling that merely failed its row. */
function stoppersFirst(failures: readonly unknown[]): readonly unknown[] {
  const rank = (error: unknown) =>
    isTidingError(error) && error.class !== "row" && error.class !== "transient" ? 0 : 1;
  return failures.toSorted((a, b) => rank(a) - rank(b));
}

async function runTask(run: TaskRunOf): Promise<RowValues> {
  const { step, signal, generation } = run;
  const row: RowValues = Object.assign({}, run.values);
  for (const input in step.inputs) row[input] = run.values[step.inputs[input] as string];
  // Call -1 is nobody's, so that a task's own random choices are independent of its answers.
  const seed = seedOf(run, { turn: 0, call: -1, answerAttempt: 0 });
  return takeOutputs(step, await step.task.run({ row, llm: taskLLM(run), signal, seed, generation }));
}

function takeOutputs(step: PipelineStep, returned: unknown): RowValues {
  if (typeof returned !== "object" || returned === null) {
    throw new TidingError(
      "TASK_FAILED",
      `Task "${step.name}" returned ${returned === null ? "null" : typeof returned}, not an object with its output columns.`,
    );
  }
  const values: RowValues = {};
  for (const { from, to, type } of step.outputs) {
    const value = (returned as RowValues)[from] ?? null;
    if (type === "inferred" || value === null) {
      values[to] = value;
      continue;
    }
    // A list type here is the grouped column's; each generation returns one element of it.
    const own =
      step.groupGenerations && step.numGenerations > 1 && typeof type === "object" && "list" in type ? type.list : type;
    const fitted = fitValue(own, value);
    if (fitted === MISFIT) {
      throw new TidingError(
        "OUTPUT_MISFIT",
        `Column "${to}" is ${JSON.stringify(own)}, but task "${step.name}" returned a ${Array.isArray(value) ? "list" : typeof value}.`,
        {
          rawResponse: JSON.stringify(value, (_key, part: unknown) =>
            typeof part === "bigint" ? part.toString() : part,
          ),
        },
      );
    }
    values[to] = fitted;
  }
  return values;
}

/** Not by spreads: V8 takes a microsecond for each where a property is added besides, a tenth of that for this. */
function joinValues(before: RowValues, added: RowValues): RowValues {
  return Object.assign({}, before, added);
}

function joinCalls(before: readonly CallRecord[], after: readonly CallRecord[]): readonly CallRecord[] {
  return before.length === 0 ? after : [...before, ...after];
}

/** A failed row as the failed parts keep it: its input, the reason, and the raw answer. */
export function failedRow(
  row: { readonly rowId: number; readonly values: RowValues },
  failure: {
    readonly step: string;
    readonly error: unknown;
    readonly calls?: readonly CallRecord[];
    readonly startedAtMs: number;
  },
): OutputRow {
  const { error, step, calls = [], startedAtMs } = failure;
  const known = isTidingError(error) ? error : new TidingError("TASK_FAILED", messageOf(error), { cause: error });
  const { attempts, seed, endpoint } = known.details;
  const engine = engineValues(row.rowId, 0, calls, startedAtMs);
  return {
    values: row.values,
    engine: {
      ...engine,
      attempts: engine.attempts + (typeof attempts === "number" ? attempts : 0),
      seed: typeof seed === "number" ? seed : engine.seed,
      endpoint: typeof endpoint === "string" ? endpoint : engine.endpoint,
      error_code: known.code,
      error_class: known.class,
      error_step: step,
      error_message:
        known.place === undefined || known.message.includes(known.place)
          ? known.message
          : `${known.message} (${known.place})`,
      raw_response: known.rawResponse ?? null,
    },
  };
}

function engineValues(
  rowId: number,
  generation: number,
  calls: readonly CallRecord[],
  startedAtMs: number,
): EngineValues {
  const last = calls.at(-1)?.answer;
  let inputTokens: number | null = null;
  let outputTokens: number | null = null;
  let attempts = 0;
  let cut = false;
  for (const { answer } of calls) {
    if (answer.inputTokens !== null) inputTokens = (inputTokens ?? 0) + answer.inputTokens;
    if (answer.outputTokens !== null) outputTokens = (outputTokens ?? 0) + answer.outputTokens;
    attempts += answer.attempts;
    cut ||= answer.finishReason === "length";
  }
  return {
    row_id: rowId,
    generation,
    model: last?.model ?? null,
    endpoint: last?.endpoint ?? null,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    finish_reason: cut ? "length" : (last?.finishReason ?? null),
    seed: last?.seed ?? null,
    attempts,
    started_at: new Date(calls[0]?.answer.startedAtMs ?? startedAtMs),
    duration_ms: calls.length === 1 && last !== undefined ? last.durationMs : Date.now() - startedAtMs,
    calls: calls.length > 1 || calls[0]?.structured?.isRepaired === true ? calls.map(provenance) : null,
    error_code: null,
    error_class: null,
    error_step: null,
    error_message: null,
    raw_response: null,
  };
}

function provenance({ step, generation, call, answer, structured }: CallRecord) {
  return {
    step,
    generation,
    call,
    model: answer.model,
    endpoint: answer.endpoint,
    seed: answer.seed,
    attempts: answer.attempts,
    input_tokens: answer.inputTokens,
    output_tokens: answer.outputTokens,
    finish_reason: answer.finishReason,
    duration_ms: answer.durationMs,
    ...(structured !== undefined && structured.asking > 0 ? { asking: structured.asking } : {}),
    ...(structured?.isRepaired === true ? { repaired: true } : {}),
  };
}
