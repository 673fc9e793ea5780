/**
 * Calls for programs that have no job: distilabel's `generate_outputs`, over the slots and retries that jobs have.
 *
 * Other than there, nothing is lost in silence: a generation that failed says why, its tokens stay in its place, and
 * answers with a form are checked.
 */
import { randomInt } from "node:crypto";
import { isTidingError, TidingError } from "../../shared/errors.ts";
import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import { formOfRow } from "../../shared/structured/written-form.ts";
import type { WrittenForm } from "../../shared/structured/written-form.ts";
import type { Generation, GenerateOptions, JsonSchema, LLMInput, StructuredOutput } from "../../shared/task/task.ts";
import { seedUnderFixed } from "../endpoints/fixed-seed.ts";
import type { GatewayGenerateOptions } from "../endpoints/llm-gateway.ts";
import { LLMGateway } from "../endpoints/llm-gateway.ts";
import { askStructured } from "../structured/ask-structured.ts";
import { withNewSeeds } from "../structured/new-seeds.ts";
import { StepForms } from "../structured/step-forms.ts";
import type { LLM, ServedModel } from "./llm.ts";
import type { CallSettings } from "./llm-options.ts";
import { unlessAborted } from "./unless-aborted.ts";

/** A conversation or a prompt; or with the form of its answer, which comes before the LLM's own; null for none. */
export type OutputsInput = LLMInput | readonly [LLMInput, WrittenForm | JsonSchema | string | null];

export interface GenerateOutputsOptions {
  readonly inputs: readonly OutputsInput[];
  /** Of each input; 1 when absent. */
  readonly num_generations?: number;
  /** Laid over the LLM's `generation_kwargs`. */
  readonly generation_kwargs?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
}

/** What came of one input; each list has one entry for each of its generations, in their order. */
export interface GeneratedOutputs {
  /** Null for one that failed. */
  readonly generations: readonly (string | null)[];
  /** Why it failed; null for one that did not. */
  readonly errors: readonly (TidingError | null)[];
  /** 0 for a generation that failed, and where the server does not say. */
  readonly statistics: { readonly input_tokens: readonly number[]; readonly output_tokens: readonly number[] };
}

/** As a task's `llm.generate` takes them, but for what tells the calls of a row apart. */
export interface LibraryGenerateOptions extends Omit<GenerateOptions, "turn" | "asking"> {
  readonly signal?: AbortSignal;
}

type Outcome = { readonly answer: Generation } | { readonly error: TidingError };

/** As many random seeds as `randomInt` can draw from. */
const SEEDS = 2 ** 48 - 1;
/** What seeds derive from beside the generation: there is no row. */
const NO_ROW = { row: 0, step: 0, turn: 0, call: 0 };

export class LibraryCalls implements AsyncDisposable {
  readonly #spec: LLMSpec;
  readonly #gateway: LLMGateway;
  readonly #forms: StepForms;
  readonly #closing = new AbortController();
  #loading: Promise<readonly ServedModel[]> | null = null;
  #served: readonly ServedModel[] | null = null;

  /** `llm` is closed with the calls. */
  constructor(llm: LLM, spec: LLMSpec, { attempts, endpointWaitMs, structuredRetries }: CallSettings) {
    this.#spec = spec;
    this.#forms = new StepForms(spec.structured_output ?? null, structuredRetries);
    this.#gateway = new LLMGateway({
      llm,
      slots: spec.slots,
      attempts,
      endpointWaitMs,
      failOnLength: spec.fail_on_length,
      generationKwargs: spec.generation_kwargs,
    });
  }

  /** Once, until it has worked, for all who ask meanwhile. Throws as `LLMGateway.probe`. */
  async load(signal: AbortSignal): Promise<readonly ServedModel[]> {
    signal.throwIfAborted();
    if (this.#served !== null) return this.#served;
    this.#loading ??= this.#gateway.probe(this.#closing.signal).finally(() => {
      this.#loading = null;
    });
    this.#served = await unlessAborted(this.#loading, signal);
    return this.#served;
  }

  /** Throws as `LLMGateway.generate` and `askStructured`, `ROW_INVALID` for a form that is none, and as `load`. */
  async generate(input: LLMInput, options: LibraryGenerateOptions = {}): Promise<Generation> {
    const { generationKwargs = {}, structuredOutput, signal = new AbortController().signal } = options;
    const preQuery = options.preQuery ?? writesUser(this.#spec, input);
    const form = structuredOutput === undefined && !preQuery ? this.#forms.own : (structuredOutput ?? null);
    await this.load(signal);
    return this.#generate(input, { generationKwargs, form, preQuery, signal, generation: 0 });
  }

  /**
   * One entry for each input, in their order. Rejects with the signal's reason, with what `load` throws, and with an
   * error that stops a job (a key refused, no quota left) where nothing came out beside it.
   */
  async generateOutputs(options: GenerateOutputsOptions): Promise<GeneratedOutputs[]> {
    const { inputs, num_generations: count = 1, generation_kwargs: generationKwargs = {} } = options;
    const { signal = new AbortController().signal } = options;
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new TidingError("USAGE", "num_generations must be a whole number above 0.", { place: "num_generations" });
    }
    await this.load(signal);
    const outcomes = await Promise.all(
      inputs.map((input) =>
        Promise.all(
          Array.from({ length: count }, (_, generation) =>
            this.#outcome(input, { generationKwargs, signal, generation }),
          ),
        ),
      ),
    );
    throwWhatStopsAll(outcomes.flat());
    return outcomes.map(outputsOf);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new DOMException("The LLM was closed.", "AbortError"));
    await this.#gateway[Symbol.asyncDispose]();
  }

  async #outcome(input: OutputsInput, of: Omit<Call, "form" | "preQuery">): Promise<Outcome> {
    try {
      const [asked, written] = isPair(input) ? input : [input];
      const preQuery = writesUser(this.#spec, asked);
      const form = written === undefined && !preQuery ? this.#forms.own : formIn(written);
      return { answer: await this.#generate(asked, { ...of, form, preQuery }) };
    } catch (error) {
      // Anything else is the reason of a signal.
      if (!isTidingError(error)) throw error;
      return { error };
    }
  }

  async #generate(input: LLMInput, call: Call): Promise<Generation> {
    const { form, generationKwargs, preQuery, signal, generation } = call;
    const seedFor = (answerAttempt: number, fixedSeed: number | null): number =>
      fixedSeed === null
        ? randomInt(SEEDS)
        : seedUnderFixed({ ...NO_ROW, jobSeed: fixedSeed, generation, answerAttempt }, generation);
    const asked: GatewayGenerateOptions = { generationKwargs, preQuery, seedFor, signal };
    if (form === null) return this.#gateway.generate(input, asked);
    const compiled = this.#forms.compiled(form);
    const options = { ...asked, structuredOutput: compiled.form };
    return askStructured(input, {
      compiled,
      retries: this.#forms.retries,
      ask: withNewSeeds((next, nextSeed) => this.#gateway.generate(next, { ...options, seedFor: nextSeed }), seedFor),
      record: () => undefined,
    });
  }
}

interface Call {
  readonly generationKwargs: Readonly<Record<string, unknown>>;
  readonly form: StructuredOutput | null;
  readonly preQuery: boolean;
  readonly signal: AbortSignal;
  /** Which of an input's generations, from 0. */
  readonly generation: number;
}

/** With `use_magpie_template` the model writes the user's next message, unless the user had the last word. */
export function writesUser({ use_magpie_template }: LLMSpec, input: LLMInput): boolean {
  return use_magpie_template === true && typeof input !== "string" && input.at(-1)?.role !== "user";
}

function isPair(input: OutputsInput): input is Exclude<OutputsInput, LLMInput> {
  if (typeof input === "string") return false;
  const first: unknown = input[0];
  return typeof first === "string" || Array.isArray(first);
}

function formIn(written: unknown): StructuredOutput | null {
  const form = formOfRow(written);
  if (typeof form !== "string") return form;
  throw new TidingError("ROW_INVALID", form, { mend: "Give { format, schema }, a JSON Schema, or a regex." });
}

/** One error stands for all where it is the job's and not a row's: the caller would find nothing but nulls. */
function throwWhatStopsAll(outcomes: readonly Outcome[]): void {
  if (outcomes.some((outcome) => "answer" in outcome)) return;
  const stopping = new Set(["job", "usage", "engine"]);
  for (const outcome of outcomes) if ("error" in outcome && stopping.has(outcome.error.class)) throw outcome.error;
}

function outputsOf(outcomes: readonly Outcome[]): GeneratedOutputs {
  const answers = outcomes.map((outcome) => ("answer" in outcome ? outcome.answer : null));
  return {
    generations: answers.map((answer) => answer?.text ?? null),
    errors: outcomes.map((outcome) => ("error" in outcome ? outcome.error : null)),
    statistics: {
      input_tokens: answers.map((answer) => answer?.inputTokens ?? 0),
      output_tokens: answers.map((answer) => answer?.outputTokens ?? 0),
    },
  };
}
