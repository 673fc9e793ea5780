/** A job's steps, opened where they run: tasks loaded, LLMs with their gateways, and the columns between them resolved. */
import { TidingError } from "../shared/errors.ts";
import { TRANSFORMERS_LLM } from "../shared/spec/check-transformers.ts";
import { rendersPrompts } from "../shared/spec/check-endpoint.ts";
import type { StepCode } from "../shared/protocol/step-code.ts";
import type { Column, RowSchema } from "../shared/rows/row-schema.ts";
import type { JobSpec, LLMSpec } from "../shared/spec/job-spec.ts";
import type { LoadedSpec, SecretResolver } from "../shared/spec/loaded-spec.ts";
import { isModulePath } from "../shared/spec/module-path.ts";
import { secretResolver } from "../shared/spec/secret.ts";
import type { Task } from "../shared/task/task.ts";
import { resolveColumns, type ResolvedColumn, type ResolvedColumns } from "../shared/task/resolve-columns.ts";
import { LLMGateway } from "./endpoints/llm-gateway.ts";
import { BatchedLLM } from "./llms/batches/batched-llm.ts";
import { EmbeddingEndpointsLLM } from "./llms/embeddings/embedding-endpoints-llm.ts";
import { ImageEndpointsLLM } from "./llms/images/image-endpoints-llm.ts";
import { InferenceEndpointsLLM, type InferenceEndpointsContext } from "./llms/inference-endpoints-llm.ts";
import type { LLM, ServedModel } from "./llms/llm.ts";
import { loadLLMModule } from "./llms/load-llm-module.ts";
import { TransformersLLM } from "./llms/transformers/transformers-llm.ts";
import { openPromptRenderer } from "./llms/prompts/open-prompt-renderer.ts";
import type { PromptRenderer } from "./llms/prompts/prompt-renderer.ts";
import type { Pipeline, PipelineStep } from "./pipeline.ts";
import { StepForms } from "./structured/step-forms.ts";
import { loadTask, type LoadedTask } from "./tasks/load-task.ts";

const BUILT_IN_LLMS = ["InferenceEndpointsLLM", TRANSFORMERS_LLM];

interface StepLLM {
  readonly llm: LLM;
  readonly gateway: LLMGateway;
  readonly openGateway: () => LLMGateway;
  readonly codeHash: string | null;
  readonly chatTemplate: string | null;
}

export class OpenSteps implements AsyncDisposable {
  /** Those that failed rows keep and parts may keep. */
  readonly inputColumns: RowSchema;
  readonly columns: ResolvedColumns;
  readonly #spec: JobSpec;
  readonly #tasks: readonly LoadedTask[];
  readonly #llms: readonly (StepLLM | null)[];

  constructor(parts: {
    readonly spec: JobSpec;
    readonly inputColumns: RowSchema;
    readonly columns: ResolvedColumns;
    readonly tasks: readonly LoadedTask[];
    readonly llms: readonly (StepLLM | null)[];
  }) {
    this.#spec = parts.spec;
    this.inputColumns = parts.inputColumns;
    this.columns = parts.columns;
    this.#tasks = parts.tasks;
    this.#llms = parts.llms;
  }

  /** One for each LLM, however many steps share it. */
  get gateways(): readonly LLMGateway[] {
    return [...new Set(this.#llms.flatMap((llm) => (llm === null ? [] : [llm.gateway])))];
  }

  /** Those whose answers come by offline batches. */
  get batched(): readonly BatchedLLM[] {
    const llms = new Set(this.#llms.map((step) => step?.llm));
    return [...llms].filter((llm) => llm instanceof BatchedLLM);
  }

  /** One entry a step. */
  get code(): readonly StepCode[] {
    return this.#tasks.map((task, index) => ({
      taskCode: task.codeHash,
      llmCode: this.#llms[index]?.codeHash ?? null,
      chatTemplate: this.#llms[index]?.chatTemplate ?? null,
    }));
  }

  /** The job runs a task or an LLM of the user's own, which may take the process down. */
  get runsForeignCode(): boolean {
    return this.code.some(({ taskCode, llmCode }) => taskCode !== null || llmCode !== null);
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
    return this.#pipelineOver(round, (llm) => llm.gateway);
  }

  /** The same with gateways of its own, so that what is asked over it is counted and slowed nowhere else. */
  rehearsal(round: number): Pipeline {
    const gateways = new Map<StepLLM, LLMGateway>();
    return this.#pipelineOver(round, (llm) => {
      const gateway = gateways.get(llm) ?? llm.openGateway();
      gateways.set(llm, gateway);
      return gateway;
    });
  }

  #pipelineOver(round: number, gatewayOf: (llm: StepLLM) => LLMGateway): Pipeline {
    const spec = this.#spec;
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
        gateway: llm === null ? null : gatewayOf(llm),
        modelName: step.llm?.model_display_name ?? llm?.llm.modelName ?? "",
        forms: new StepForms(step.llm?.structured_output ?? null, step.structured_retries),
        inputs: Object.fromEntries(Object.entries(resolved.inputs).filter(([input, column]) => input !== column)),
        outputs: resolved.outputs,
        numGenerations: step.num_generations,
        groupGenerations: step.group_generations && step.num_generations > 1,
        keepPartial: step.keep === "partial",
      };
    });
    return { seed: spec.run.seed, round, steps };
  }

  get taskColumns(): readonly ResolvedColumn[] {
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

/**
 * Loads tasks and LLMs, and resolves the columns between them; `secret` is by default from the environment. Throws errors
 * of class `usage`.
 */
export async function openSteps(
  loaded: LoadedSpec,
  environment: Readonly<Record<string, string | undefined>>,
  inputColumns: RowSchema,
  options: { readonly secret?: SecretResolver } = {},
): Promise<OpenSteps> {
  const { spec, folder } = loaded;
  const { secret = secretResolver(environment) } = options;
  const tasks = await Promise.all(spec.steps.map((step, index) => at(`steps.${index}`, loadTask(step, { folder }))));
  const columns = resolveColumns(
    inputColumns,
    spec.steps.map((step, index) => {
      const { name, task } = tasks[index] as LoadedTask;
      return { spec: step, name, task };
    }),
    spec.output,
  );
  // Steps with one and the same `llm` share its slots: a slot is permission for one request to one endpoint.
  const shared = new Map<string, Promise<StepLLM>>();
  const llms = await Promise.all(
    spec.steps.map((step, index): Promise<StepLLM | null> => {
      if (step.llm === undefined) return Promise.resolve(null);
      // What form an answer must have goes with the call; what is done to an endpoint around the job is no matter of calls.
      const { structured_output: _, endpoint: _use, ...server } = step.llm;
      const { makes = "text" } = (tasks[index] as LoadedTask).task;
      const key = JSON.stringify([makes, server]);
      const opening = { makes, secret, environment };
      const llm = shared.get(key) ?? at(`steps.${index}.llm`, openLLM(step.llm, loaded, opening));
      shared.set(key, llm);
      return llm;
    }),
  );
  return new OpenSteps({ spec, inputColumns, columns, tasks, llms });
}

async function openLLM(
  spec: LLMSpec,
  { spec: { run }, folder }: LoadedSpec,
  { makes, secret, environment }: InferenceEndpointsContext & { readonly makes: NonNullable<Task["makes"]> },
): Promise<StepLLM> {
  const custom =
    spec.class !== undefined && isModulePath(spec.class) ? await loadLLMModule(spec, { folder, secret }) : null;
  if (custom === null && spec.class !== undefined && !BUILT_IN_LLMS.includes(spec.class)) {
    throw new TidingError("SPEC_INVALID", `There is no LLM class ${JSON.stringify(spec.class)}.`, {
      place: "class",
      mend: "Write InferenceEndpointsLLM or TransformersLLM, or the path of a module: ./my-llm.ts.",
    });
  }
  const context = { secret, environment };
  const renderer = custom === null && makes === "text" ? await openRenderer(spec, { folder, environment }) : null;
  const llm = custom?.llm ?? builtInLLM(spec, makes, { ...context, renderer, folder });
  const openGateway = (): LLMGateway =>
    new LLMGateway({
      llm,
      slots: spec.slots,
      attempts: run.attempts,
      endpointWaitMs: run.endpoint_wait,
      failOnLength: spec.fail_on_length,
      generationKwargs: spec.generation_kwargs,
    });
  return {
    llm,
    gateway: openGateway(),
    openGateway,
    codeHash: custom?.codeHash ?? null,
    chatTemplate: renderer?.revision ?? null,
  };
}

/** The client for what the task makes. Throws `SPEC_INVALID`. */
function builtInLLM(
  spec: LLMSpec,
  makes: NonNullable<Task["makes"]>,
  context: InferenceEndpointsContext & Pick<LoadedSpec, "folder">,
): LLM {
  if (spec.class === TRANSFORMERS_LLM) {
    const { model_id: model = "" } = spec;
    const { folder, environment } = context;
    if (makes !== "image") return new TransformersLLM({ ...spec, model_id: model, makes, folder, environment });
    throw new TidingError("SPEC_INVALID", "TransformersLLM makes no images.", {
      place: "class",
      mend: "Use a server.",
    });
  }
  switch (makes) {
    case "image":
      return new ImageEndpointsLLM(spec, context);
    case "embedding":
      return new EmbeddingEndpointsLLM(spec, context);
    case "text":
      return spec.use_offline_batch_generation === true
        ? new BatchedLLM(spec, context)
        : new InferenceEndpointsLLM(spec, context);
  }
}

/** Null where the server renders prompts. */
async function openRenderer(
  spec: LLMSpec,
  { folder, environment }: Pick<LoadedSpec, "folder"> & Pick<InferenceEndpointsContext, "environment">,
): Promise<PromptRenderer | null> {
  const { tokenizer_id: tokenizerId, magpie_pre_query_template: preQueryTemplate } = spec;
  return tokenizerId === undefined || !rendersPrompts(spec)
    ? null
    : await openPromptRenderer({ tokenizerId, preQueryTemplate: preQueryTemplate ?? null, folder, environment });
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
