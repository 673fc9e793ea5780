/** Runs a job's first rows and shows what is sent and what comes back. Writes nothing. */
import type { InputRow } from "../coordinator/input/row-source.ts";
import { RowCursor } from "../coordinator/row-cursor.ts";
import type { ErrorCode } from "../shared/errors.ts";
import type { RowValues } from "../shared/rows/row-schema.ts";
import type { Generation, LLMInput, TaskLLM } from "../shared/task/task.ts";
import type { Pipeline } from "../worker/pipeline.ts";
import { runRow } from "../worker/row-run.ts";
import { prepareJob } from "./prepare-job.ts";
import { probeJob } from "./probe-job.ts";
import type { RunJobOptions } from "./run-job.ts";
import { previewInput } from "./standard-input.ts";

export interface PreviewRow {
  readonly row_id: number;
  /** The output row. */
  readonly values: RowValues;
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
  readonly calls: readonly {
    readonly input: LLMInput;
    /** Magpie: the answer is the user's next message. */
    readonly preQuery: boolean;
    readonly answer: string | null;
    readonly inputTokens: number | null;
    readonly outputTokens: number | null;
    readonly durationMs: number;
  }[];
}

type PreviewCall = PreviewRow["calls"][number];

/** Runs the first rows of a job and writes nothing. Throws as `runJob` does. */
export async function previewJob(
  options: { readonly rows: number } & Pick<
    RunJobOptions,
    "loaded" | "environment" | "standardInput" | "stop" | "onNotice"
  >,
): Promise<readonly PreviewRow[]> {
  const { rows: count, standardInput, environment, onNotice } = options;
  const signal = options.stop ?? new AbortController().signal;
  await using previewed = await previewInput(options.loaded, { rows: count, standardInput, signal });
  const { loaded } = previewed;
  await using job = await prepareJob(loaded, environment);
  await probeJob(job, { signal, onNotice });
  const { offset, limit } = loaded.spec.input;
  await using cursor = new RowCursor(job.source, signal);
  await cursor.moveTo(0, null);
  await cursor.take(offset, Infinity);
  const rows = await cursor.take(Math.min(count, limit ?? Infinity), Infinity);
  const kept = job.steps.columns.columns.map(({ name }) => name);
  const previews = rows.map((row, index) =>
    previewRow(row, { rowId: offset + index, pipeline: job.steps.pipeline(0), kept, signal }),
  );
  return (await Promise.all(previews)).flat();
}

async function previewRow(
  row: InputRow,
  run: {
    readonly rowId: number;
    readonly pipeline: Pipeline;
    readonly kept: readonly string[];
    readonly signal: AbortSignal;
  },
): Promise<readonly PreviewRow[]> {
  const { rowId, kept, signal } = run;
  if (row.fault !== null) {
    const message = `${row.fault.message} (${row.fault.place})`;
    return [{ row_id: rowId, values: row.values, error: { code: "ROW_INVALID", message }, calls: [] }];
  }
  const calls: PreviewCall[] = [];
  const outputs = await runRow({ rowId, values: row.values }, recording(run.pipeline, calls), signal);
  return outputs.map(({ values, engine }) => ({
    row_id: rowId,
    values: Object.fromEntries(kept.map((name) => [name, values[name] ?? null])),
    error: engine.error_code === null ? null : { code: engine.error_code, message: engine.error_message ?? "" },
    calls,
  }));
}

/** The pipeline with every call noted on its way. */
function recording(pipeline: Pipeline, calls: PreviewCall[]): Pipeline {
  const steps = pipeline.steps.map((step) => {
    const { inputs, outputs, optionalInputs = [] } = step.task;
    const run: typeof step.task.run = (task) => step.task.run({ ...task, llm: recordingLLM(task.llm, calls) });
    return { ...step, task: { inputs, outputs, optionalInputs, run } };
  });
  return { ...pipeline, steps };
}

function recordingLLM(llm: TaskLLM, calls: PreviewCall[]): TaskLLM {
  return {
    modelName: llm.modelName,
    async generate(input, generateOptions) {
      const startedMs = performance.now();
      const preQuery = generateOptions?.preQuery === true;
      const note = (answer: string | null, inputTokens: number | null, outputTokens: number | null) =>
        calls.push({ input, preQuery, answer, inputTokens, outputTokens, durationMs: performance.now() - startedMs });
      try {
        const generation = await llm.generate(input, generateOptions);
        note(answerOf(generation), generation.inputTokens, generation.outputTokens);
        return generation;
      } catch (error) {
        note(null, null, null);
        throw error;
      }
    },
  };
}

function answerOf({ text, image }: Generation): string {
  return image === undefined
    ? text
    : `${image.mediaType}, ${image.bytes.byteLength} bytes${text === "" ? "" : `: ${text}`}`;
}
