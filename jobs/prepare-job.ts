/** From a loaded spec to everything a run needs, checked before anything is written or paid for. */
import { openRowSource } from "../coordinator/input/open-row-source.ts";
import type { RowSource } from "../coordinator/input/row-source.ts";
import type { TaskColumn } from "../coordinator/sink/part-file.ts";
import { TidingError } from "../shared/errors.ts";
import type { Column, RowSchema } from "../shared/rows/row-schema.ts";
import type { LLMSpec } from "../shared/spec/job-spec.ts";
import type { LoadedSpec } from "../shared/spec/loaded-spec.ts";
import { isModulePath } from "../shared/spec/module-path.ts";
import { secretResolver } from "../shared/spec/secret.ts";
import { resolveColumns, type ResolvedColumns } from "../shared/task/resolve-columns.ts";
import { LLMGateway } from "../worker/endpoints/llm-gateway.ts";
import { InferenceEndpointsLLM } from "../worker/llms/inference-endpoints-llm.ts";
import type { LLM, ServedModel } from "../worker/llms/llm.ts";
import { loadLLMModule } from "../worker/llms/load-llm-module.ts";
import type { Pipeline, PipelineStep } from "../worker/pipeline.ts";
import { loadTask, type LoadedTask } from "../worker/tasks/load-task.ts";

interface StepLLM {
  readonly llm: LLM;
  readonly gateway: LLMGateway;
  readonly codeHash: string | null;
}

export class PreparedJob implements AsyncDisposable {
  readonly loaded: LoadedSpec;
  readonly source: RowSource;
  readonly columns: ResolvedColumns;
  readonly #tasks: readonly LoadedTask[];
  readonly #llms: readonly (StepLLM | null)[];

  constructor(parts: {
    readonly loaded: LoadedSpec;
    readonly source: RowSource;
    readonly columns: ResolvedColumns;
    readonly tasks: readonly LoadedTask[];
    readonly llms: readonly (StepLLM | null)[];
  }) {
    this.loaded = parts.loaded;
    this.source = parts.source;
    this.columns = parts.columns;
    this.#tasks = parts.tasks;
    this.#llms = parts.llms;
  }

  /** One for each LLM, however many steps share it. */
  get gateways(): readonly LLMGateway[] {
    return [...new Set(this.#llms.flatMap((llm) => (llm === null ? [] : [llm.gateway])))];
  }

  /** Hashes of the code that the job runs beside Tiding's own, one entry a step. */
  get code(): readonly { readonly taskCode: string | null; readonly llmCode: string | null }[] {
    return this.#tasks.map((task, index) => ({
      taskCode: task.codeHash,
      llmCode: this.#llms[index]?.codeHash ?? null,
    }));
  }

  /** What each step's endpoints serve; waits for endpoints that cannot be reached yet, as the gateway does. */
  async probe(signal: AbortSignal): Promise<readonly (readonly ServedModel[])[]> {
    const served = new Map<LLMGateway, Promise<readonly ServedModel[]>>();
    for (const gateway of this.gateways) served.set(gateway, gateway.probe(signal));
    await Promise.all(served.values());
    return Promise.all(this.#llms.map(async (llm) => (llm === null ? [] : ((await served.get(llm.gateway)) ?? []))));
  }

  /** @param round of retries, so that a row that is run again is not given the seed that failed it. */
  pipeline(round: number): Pipeline {
    const { spec } = this.loaded;
    const steps = spec.steps.map((step, index): PipelineStep => {
      const loaded = this.#tasks[index];
      const resolved = this.columns.steps[index];
      const llm = this.#llms[index] ?? null;
      if (loaded === undefined || resolved === undefined)
        throw new TidingError("INTERNAL", `Step ${index} was not resolved.`);
      return {
        name: loaded.name,
        index,
        task: loaded.task,
        gateway: llm?.gateway ?? null,
        modelName: step.llm?.model_display_name ?? llm?.llm.modelName ?? "",
        inputs: Object.fromEntries(Object.entries(resolved.inputs).filter(([input, column]) => input !== column)),
        outputs: resolved.outputs,
        numGenerations: step.num_generations,
        groupGenerations: step.group_generations && step.num_generations > 1,
        keepPartial: step.keep === "partial",
      };
    });
    return { seed: spec.run.seed, round, steps };
  }

  /** The input's columns that failed rows keep and parts may keep. */
  get inputColumns(): RowSchema {
    return this.source.schema;
  }

  get taskColumns(): readonly TaskColumn[] {
    return this.columns.steps.flatMap((step) => step.outputs.map(({ to, type }) => ({ name: to, type })));
  }

  /** Columns of result batches; what is to be inferred travels as JSON. */
  get batchColumns(): RowSchema {
    const tasks = this.taskColumns.map(({ name, type }): Column => ({
      name,
      type: type === "inferred" ? "json" : type,
    }));
    return [...this.inputColumns, ...tasks];
  }

  /** Slots of all endpoints. */
  get slots(): number {
    return this.gateways.reduce((sum, gateway) => sum + gateway.capacity, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const llm of new Set(this.#llms)) {
      await llm?.gateway[Symbol.asyncDispose]();
      await llm?.llm.close();
    }
  }
}

/** Loads tasks, LLMs and the input, and resolves the columns between them. Throws errors of class `usage`. */
export async function prepareJob(
  loaded: LoadedSpec,
  environment: Readonly<Record<string, string | undefined>>,
  options: { readonly inputSchema?: RowSchema | undefined } = {},
): Promise<PreparedJob> {
  const { spec, folder } = loaded;
  const tasks = await Promise.all(spec.steps.map((step, index) => at(`steps.${index}`, loadTask(step, { folder }))));
  const source = await openRowSource(spec.input, {
    folder,
    ...(options.inputSchema === undefined ? {} : { schema: options.inputSchema }),
  });
  if (source.schema.length === 0) {
    throw new TidingError("INPUT_UNREADABLE", "The input holds nothing: no row from which its columns could be told.", {
      place: source.files.map((file) => file.path).join(", "),
      mend: "Check input.path, or name the columns with input.types for an empty dataset.",
    });
  }
  const named = spec.steps.map((step, index) => ({
    spec: step,
    name: tasks[index]?.name ?? step.task,
    task: tasks[index]?.task,
  }));
  const steps = named.flatMap(({ task, ...step }) => (task === undefined ? [] : [{ ...step, task }]));
  const columns = resolveColumns(source.schema, steps, spec.output);
  // Steps with one and the same `llm` share its slots: a slot is permission for one request to one endpoint.
  const shared = new Map<string, Promise<StepLLM>>();
  const llms = await Promise.all(
    spec.steps.map((step, index): Promise<StepLLM | null> => {
      if (step.llm === undefined) return Promise.resolve(null);
      const key = JSON.stringify(step.llm);
      const llm = shared.get(key) ?? at(`steps.${index}.llm`, openLLM(step.llm, loaded, environment));
      shared.set(key, llm);
      return llm;
    }),
  );
  return new PreparedJob({ loaded, source, columns, tasks, llms });
}

async function openLLM(
  spec: LLMSpec,
  { spec: { run }, folder }: LoadedSpec,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<StepLLM> {
  const secret = secretResolver(environment);
  const custom =
    spec.class !== undefined && isModulePath(spec.class) ? await loadLLMModule(spec, { folder, secret }) : null;
  if (custom === null && spec.class !== undefined && spec.class !== "InferenceEndpointsLLM") {
    throw new TidingError("SPEC_INVALID", `There is no LLM class ${JSON.stringify(spec.class)}.`, {
      place: "class",
      mend: "Write InferenceEndpointsLLM, or the path of a module: ./my-llm.ts.",
    });
  }
  const llm = custom?.llm ?? new InferenceEndpointsLLM(spec, { secret, environment });
  const gateway = new LLMGateway({
    llm,
    slots: spec.slots,
    attempts: run.attempts,
    endpointWaitMs: run.endpoint_wait,
    failOnLength: spec.fail_on_length,
    generationKwargs: spec.generation_kwargs,
  });
  return { llm, gateway, codeHash: custom?.codeHash ?? null };
}

/** Puts the step in front of the place that an error names. */
async function at<T>(step: string, loading: Promise<T>): Promise<T> {
  try {
    return await loading;
  } catch (error) {
    if (!(error instanceof TidingError) || error.class !== "usage") throw error;
    const place = error.place === undefined ? step : `${step}.${error.place}`;
    throw new TidingError(error.code, error.message, {
      place,
      ...(error.mend === undefined ? {} : { mend: error.mend }),
      cause: error,
    });
  }
}
