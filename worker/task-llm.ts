/** What a task is handed to call its model with: each call's number, seeds, form and record. */
import { TidingError } from "../shared/errors.ts";
import type { RowValues } from "../shared/rows/row-schema.ts";
import { deriveSeed } from "../shared/spec/seed.ts";
import type { Generation, GenerateOptions, LLMInput, StructuredOutput, TaskLLM } from "../shared/task/task.ts";
import { seedUnderFixed } from "./endpoints/fixed-seed.ts";
import type { GatewayAnswer } from "./endpoints/gateway-call.ts";
import type { GatewayGenerateOptions, LLMGateway } from "./endpoints/llm-gateway.ts";
import type { Pipeline, PipelineStep } from "./pipeline.ts";
import { askStructured, type Asking } from "./structured/ask-structured.ts";
import { withNewSeeds } from "./structured/new-seeds.ts";

/** Retry rounds are this far apart in the attempts that seeds derive from. */
const SEEDS_PER_ROUND = 1_000;

/** One call, as the `calls` of a row that made several record it. */
export interface CallRecord {
  readonly step: string;
  readonly generation: number;
  readonly call: number;
  readonly answer: GatewayAnswer;
  /** Of a call with structured output. */
  readonly structured?: Asking;
}

/** One run of a step's task: for one row, or one of its generations. */
export interface TaskRunOf {
  readonly step: PipelineStep;
  readonly pipeline: Pipeline;
  readonly rowId: number;
  readonly values: RowValues;
  readonly generation: number;
  readonly signal: AbortSignal;
  /** Called just before each call. */
  readonly onCall: (() => void) | undefined;
  /** Filled as calls are answered. */
  readonly calls: CallRecord[];
}

/** The seed of one call, or of a task's own choices; `fixedSeed` is what the call's `generation_kwargs` hold, if any. */
export function seedOf(
  { step, pipeline, rowId, generation }: TaskRunOf,
  of: { readonly turn: number; readonly call: number; readonly answerAttempt: number },
  fixedSeed: number | null = null,
): number {
  const key = {
    jobSeed: fixedSeed ?? pipeline.seed,
    row: rowId,
    step: step.index,
    generation,
    turn: of.turn,
    call: of.call,
    answerAttempt: of.answerAttempt + pipeline.round * SEEDS_PER_ROUND,
  };
  return fixedSeed === null ? deriveSeed(key) : seedUnderFixed(key, generation % step.numGenerations);
}

/** Numbers the calls of one run of a task; calls with a form are asked again until they have it. */
export function taskLLM(run: TaskRunOf): TaskLLM {
  const { step, generation, signal } = run;
  let nextCall = 0;
  return {
    modelName: step.modelName,
    async generate(input: LLMInput, options: GenerateOptions = {}): Promise<Generation> {
      const { gateway } = step;
      if (gateway === null) throw withoutLLM(step);
      const { generationKwargs, structuredOutput, preQuery, turn = 0, asking = 0 } = options;
      const call = nextCall++;
      run.onCall?.();
      const form = structuredOutput === undefined && preQuery !== true ? step.forms.own : (structuredOutput ?? null);
      const seedFor = (answerAttempt: number, fixedSeed: number | null): number =>
        seedOf(run, { turn, call, answerAttempt: asking + answerAttempt }, fixedSeed);
      const asked = { generationKwargs, preQuery, seedFor, signal };
      if (form !== null) return generateOfForm(run, input, { gateway, call, form, asked });
      const answer = await gateway.generate(input, asked);
      record(run, { step: step.name, generation, call, answer });
      return answer;
    },
  };
}

/** Throws `ROW_INVALID` for a form that is none, and as `askStructured` does. */
function generateOfForm(
  run: TaskRunOf,
  input: LLMInput,
  of: {
    readonly gateway: LLMGateway;
    readonly call: number;
    readonly form: StructuredOutput;
    readonly asked: GatewayGenerateOptions;
  },
): Promise<Generation> {
  const { step, generation } = run;
  const { gateway, call, form, asked } = of;
  const compiled = step.forms.compiled(form);
  const options = { ...asked, structuredOutput: compiled.form };
  return askStructured(input, {
    compiled,
    retries: step.forms.retries,
    ask: withNewSeeds((next, seedFor) => gateway.generate(next, { ...options, seedFor }), asked.seedFor),
    record: (answer, structured) => record(run, { step: step.name, generation, call, answer, structured }),
  });
}

function record({ calls, pipeline, rowId, step }: TaskRunOf, called: CallRecord): void {
  calls.push(called);
  pipeline.onAnswer?.({ rowId, step: step.index, generation: called.generation, answer: called.answer });
}

function withoutLLM(step: PipelineStep): TidingError {
  return new TidingError("TASK_INVALID", `Step "${step.name}" calls an LLM but its spec names none.`, {
    place: `steps.${step.index}`,
    mend: "Give the step an `llm`.",
  });
}
