/**
 * The Task port: what a step does to one row.
 *
 * A task says which columns it reads and which it returns, and calls the LLM as often as it likes. It never retries,
 * waits for slots or derives seeds: `llm.generate` does that for each call.
 */
import type { ColumnType, RowValues } from "../rows/row-schema.ts";

export interface ChatMessage {
  readonly role: string;
  /** A text, or OpenAI's content parts. */
  readonly content: unknown;
}

/** A conversation, or a prompt that is rendered already and goes to the model as it stands. */
export type LLMInput = readonly ChatMessage[] | string;

/** The form that an answer must have; the same for every server, translated for each. */
export type StructuredOutput =
  | { readonly format: "json"; readonly schema: JsonSchema }
  | { readonly format: "regex"; readonly schema: string };

/** A JSON Schema of draft 2020-12, or of draft-07 where `$schema` says so. */
export type JsonSchema = Readonly<Record<string, unknown>>;

export type FinishReason = "stop" | "length" | "content_filter" | "tool_calls" | (string & {});

/** An image that a model made. */
export interface GeneratedImage {
  /** The file: PNG, JPEG, WebP or GIF. */
  readonly bytes: Uint8Array;
  /** `image/png` and the like, by the bytes themselves. */
  readonly mediaType: string;
}

/** One answer of an LLM. */
export interface Generation {
  /** Beside an image: the prompt as the server rewrote it, or nothing. */
  readonly text: string;
  /** The model's reasoning, where the server keeps it apart from the answer. */
  readonly reasoning: string | null;
  readonly finishReason: FinishReason | null;
  /** Null where the server does not say. */
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** The name under which the model was served. */
  readonly model: string;
  /**
   * Of a task that makes images. It is a part of the answer, and not an answer of another kind, because all else that is
   * known of a call (model, seed, attempts, durations, errors) is known of this one, and travels the same way.
   */
  readonly image?: GeneratedImage;
  /** Of a task that makes embeddings, for the same reason; `text` is empty then. */
  readonly embedding?: readonly number[];
  /** With structured output: the parsed JSON, or the text that matched. Set by the engine, not by an LLM. */
  readonly value?: unknown;
}

export interface GenerateOptions {
  /** Laid over the step's `generation_kwargs` for this call. */
  readonly generationKwargs?: Readonly<Record<string, unknown>>;
  /** Tells calls of one conversation apart in their seeds: 0 for the first turn. */
  readonly turn?: number;
  /**
   * How often the same was asked before and its answer was no use, from 0. Each asking has a seed of its own anyway, but
   * where the user fixed one: this tells them apart then.
   */
  readonly asking?: number;
  /**
   * The answer has this form: the server is asked to keep to it where it can, what comes is checked, repaired, asked for
   * again. By default the step's `llm.structured_output`; null for none. Give the same object for the same form: that
   * keeps calls cheap.
   */
  readonly structuredOutput?: StructuredOutput | null;
  /** Magpie: the model writes the next message of the user, and not an answer. */
  readonly preQuery?: boolean;
}

/** What a task is handed to call its model with: slots, retries and seeds are taken care of. */
export interface TaskLLM {
  /** The name that `model_name` columns show. */
  readonly modelName: string;
  generate(input: LLMInput, options?: GenerateOptions): Promise<Generation>;
}

export interface TaskRun {
  /** The task's inputs by the task's own names, and every other column of the row by its name. */
  readonly row: Readonly<RowValues>;
  readonly llm: TaskLLM;
  /** Aborted when the answer is no longer wanted. */
  readonly signal: AbortSignal;
  /** Derived from the job's seed, the row, the step and the generation; for a task's own random choices. */
  readonly seed: number;
  /** Which of the row's `num_generations` this is, from 0. */
  readonly generation: number;
}

export interface Task {
  /** Columns that every row must have. */
  readonly inputs: readonly string[];
  /** Of these columns every row must have one; the first that exists is mapped. */
  readonly oneOf?: readonly string[];
  /** Columns that are read where the row has them. */
  readonly optionalInputs?: readonly string[];
  /** Columns that `run` returns; with their types, or as names whose types are inferred from the first rows. */
  readonly outputs: readonly string[] | Readonly<Record<string, ColumnType>>;
  /** What it asks its model for; text when absent. Decides which routes of the endpoint are called. */
  readonly makes?: "text" | "image" | "embedding";
  /** False for a task that never calls an LLM, whose step needs no `llm`. */
  readonly usesLLM?: boolean;
  run(run: TaskRun): Promise<RowValues> | RowValues;
}

/** Gives a task of one's own its types. */
export function defineTask<T extends Task | ((options: Readonly<Record<string, unknown>>) => Task)>(task: T): T {
  return task;
}
