/**
 * A row of a job without paying: its tasks run for real, and what they ask is answered here with a text of the length that
 * is assumed. A task that needs an answer of a form cannot go on with it: what it asked until then counts, and its columns
 * are empty for the next step.
 */
import type { RowValues } from "../../shared/rows/row-schema.ts";
import type { GenerateOptions, Generation, LLMInput, TaskLLM } from "../../shared/task/task.ts";
import type { PipelineStep } from "../../worker/pipeline.ts";

export interface DryCall {
  /** Index of the step. */
  readonly step: number;
  readonly generation: number;
  /** Of the texts that are sent, in UTF-8. */
  readonly promptBytes: number;
  /** Most that may come back; null where nothing says. */
  readonly maxNewTokens: number | null;
}

export interface DryRunOptions {
  readonly steps: readonly PipelineStep[];
  /** By step, what its `generation_kwargs` say. */
  readonly maxNewTokens: readonly (number | null)[];
  /** How long the answer to such a call is taken to be. */
  readonly answerBytes: (maxNewTokens: number | null) => number;
  readonly signal: AbortSignal;
}

export interface DryRow {
  /** At least one for each generation of each step with a model. */
  readonly calls: readonly DryCall[];
  /** Steps that could not go on with a made-up answer, by name: they may ask more than was seen. */
  readonly cutShort: readonly string[];
}

/** What one row asks. Rejects with the signal's reason alone. */
export async function dryRow(values: RowValues, options: DryRunOptions): Promise<DryRow> {
  const calls: DryCall[] = [];
  const cutShort: string[] = [];
  let row = values;
  let variants = 1;
  for (const step of options.steps) {
    options.signal.throwIfAborted();
    const { asked, outputs } = await dryStep(step, row, options);
    row = { ...row, ...outputs };
    if (outputs === null) cutShort.push(step.name);
    // Generations ask alike: one was run and stands for all.
    for (let generation = 0; step.gateway !== null && generation < variants * step.numGenerations; generation++)
      calls.push(...asked.map((call) => ({ ...call, generation })));
    if (!step.groupGenerations) variants *= step.numGenerations;
  }
  return { calls, cutShort };
}

async function dryStep(
  step: PipelineStep,
  values: RowValues,
  { maxNewTokens, answerBytes, signal }: DryRunOptions,
): Promise<{ readonly asked: readonly DryCall[]; readonly outputs: RowValues | null }> {
  const ofStep = maxNewTokens[step.index] ?? null;
  const asked: DryCall[] = [];
  const llm: TaskLLM = {
    modelName: step.modelName,
    generate(input: LLMInput, { generationKwargs }: GenerateOptions = {}): Promise<Generation> {
      const own = generationKwargs?.["max_new_tokens"];
      const most = typeof own === "number" ? own : ofStep;
      asked.push({ step: step.index, generation: 0, promptBytes: bytesOf(input), maxNewTokens: most });
      return Promise.resolve(madeUp(answerBytes(most)));
    },
  };
  const row: RowValues = { ...values };
  for (const [input, column] of Object.entries(step.inputs)) row[input] = values[column];
  try {
    const returned = await step.task.run({ row, llm, signal, seed: 0, generation: 0 });
    return { asked: asked.length > 0 ? asked : [unasked(step, values, ofStep)], outputs: named(step, returned) };
  } catch {
    // A made-up answer is no JSON of the task's schema, and a step after it lacks its columns: no fault of the job's.
    return { asked: asked.length > 0 ? asked : [unasked(step, values, ofStep)], outputs: null };
  }
}

/** A call of a task that came to none: its prompt is taken to hold all texts of the row. */
function unasked(step: PipelineStep, values: RowValues, maxNewTokens: number | null): DryCall {
  return { step: step.index, generation: 0, promptBytes: textBytesOf(values, Object.keys(values)), maxNewTokens };
}

function named(step: PipelineStep, returned: RowValues): RowValues {
  return Object.fromEntries(step.outputs.map(({ from, to }) => [to, returned[from] ?? null]));
}

function madeUp(bytes: number): Generation {
  const text = "word ".repeat(Math.ceil(bytes / 5));
  return { text, reasoning: null, finishReason: "stop", inputTokens: null, outputTokens: null, model: "none" };
}

function bytesOf(input: LLMInput): number {
  if (typeof input === "string") return Buffer.byteLength(input);
  return input.reduce((sum, { role, content }) => sum + Buffer.byteLength(role) + contentBytes(content), 0);
}

/** Of images, which are sent beside the text and cost tokens of their own, nothing is known here. */
function contentBytes(content: unknown): number {
  if (typeof content === "string") return Buffer.byteLength(content);
  if (!Array.isArray(content)) return 0;
  return content.reduce((sum: number, part: { readonly text?: unknown }) => {
    return sum + (typeof part.text === "string" ? Buffer.byteLength(part.text) : 0);
  }, 0);
}

/** Bytes in UTF-8 of all texts that columns hold, however deep. */
export function textBytesOf(values: RowValues, columns: readonly string[]): number {
  return columns.reduce((sum, column) => sum + deepBytes(values[column]), 0);
}

function deepBytes(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array || value instanceof Date) return 0;
  return Object.values(value).reduce((sum: number, part) => sum + deepBytes(part), 0);
}
