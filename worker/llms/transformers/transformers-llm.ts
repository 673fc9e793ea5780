/**
 * An LLM in this process: an ONNX model on `@huggingface/transformers`, an optional peer dependency. For tests, small
 * models and embeddings; a server gives more rows a second.
 *
 * The model lives in a thread, because each token takes the processor for as long as it takes: calls follow one another
 * there. A call that is aborted ends with its next token.
 */
import { homedir } from "node:os";
import path from "node:path";
import { Piscina } from "piscina";
import { messageOf, TidingError } from "../../../shared/errors.ts";
import type { Generation, LLMInput } from "../../../shared/task/task.ts";
import { resultOf, type ThreadOutcome } from "../../../shared/thread-outcome.ts";
import { LLM } from "../llm.ts";
import type { LLMCall, ServedModel } from "../llm.ts";
import { unlessAborted } from "../unless-aborted.ts";
import type { ModelSettings } from "./local-model.ts";
import { poolingOf, poolStates } from "./pool-states.ts";
import type { TransformersResult, TransformersTask } from "./transformers.thread.ts";

export interface TransformersLLMOptions {
  /** A folder with an ONNX model, from `./` or `/`, or a model's name on the Hub. */
  readonly model_id: string;
  readonly model_display_name?: string | undefined;
  /** Which of the model's files; `fp32` when absent. */
  readonly dtype?: string | undefined;
  /** `cpu` when absent. */
  readonly device?: string | undefined;
  /** Where relative paths start, and where the package is looked for first; the working directory when absent. */
  readonly folder?: string;
  /** For `HF_HOME` and `HF_HUB_OFFLINE`; nothing when absent. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** What `call` answers with; text when absent. */
  readonly makes?: "text" | "embedding";
}

export interface TransformersGenerateOptions {
  readonly generationKwargs?: Readonly<Record<string, unknown>>;
  /** 0 to 2^53-1; 0 when absent. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

export class TransformersLLM extends LLM implements AsyncDisposable {
  readonly modelName: string;
  readonly #options: TransformersLLMOptions;
  readonly #settings: ModelSettings;
  readonly #folder: string;
  readonly #pool = new Piscina<TransformersTask, ThreadOutcome<TransformersResult>>({
    // .ts when types are stripped, .js when built
    filename: new URL(
      import.meta.url.endsWith(".ts") ? "./transformers.thread.ts" : "./transformers.thread.js",
      import.meta.url,
    ).href,
    minThreads: 0,
    maxThreads: 1,
    concurrentTasksPerWorker: 1,
    // The model goes with its thread.
    idleTimeout: Number.POSITIVE_INFINITY,
  });

  #warmed: Promise<unknown> | null = null;

  /** Nothing is loaded before the first call, or `probe`. */
  constructor(options: TransformersLLMOptions) {
    super();
    const { model_id: model, model_display_name, dtype = "fp32", device = "cpu", folder = "." } = options;
    const { HF_HOME: home, HF_HUB_OFFLINE: offline = "" } = options.environment ?? {};
    const isFolder = /^\.{0,2}[/\\]|^[A-Za-z]:[/\\]/.test(model);
    this.#options = options;
    this.#folder = path.resolve(folder);
    this.modelName = model_display_name ?? model;
    this.#settings = {
      model: isFolder ? path.resolve(folder, model) : model,
      isFolder,
      dtype,
      device,
      cacheFolder: path.join(home ?? path.join(homedir(), ".cache", "huggingface"), "transformers.js"),
      isOffline: ["1", "ON", "YES", "TRUE"].includes(offline.toUpperCase()),
    };
  }

  /** Loads the model. Throws `PACKAGE_MISSING` and `MODEL_NOT_FOUND`. */
  override async probe(_endpoint: string, signal: AbortSignal): Promise<ServedModel> {
    const makes = this.#options.makes === "embedding" ? "hidden" : "text";
    await unlessAborted(this.#ask({ type: "load", makes }), signal);
    return { server: "transformers.js", model: this.#options.model_id, revision: null };
  }

  override async call({ input, generationKwargs, preQuery, seed, signal }: LLMCall): Promise<Generation> {
    if (preQuery) throw unsent("TransformersLLM writes answers, and no messages of the user.");
    return this.#options.makes === "embedding"
      ? await this.#embed(input, generationKwargs, signal)
      : await this.generate(input, { generationKwargs, seed, signal });
  }

  /** One answer. Throws as `probe`, `ROW_INVALID` for what the chat template refuses, `LLM_FAILED`, the signal's reason. */
  async generate(input: LLMInput, options: TransformersGenerateOptions = {}): Promise<Generation> {
    const { generationKwargs = {}, seed = 0, signal = new AbortController().signal } = options;
    signal.throwIfAborted();
    const aborted = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const onAbort = (): void => void Atomics.store(aborted, 0, 1);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const request = { input, generationKwargs, seed, aborted };
      const answer = await unlessAborted(this.#ask({ type: "generate", request }), signal);
      return { ...(answer as Omit<Generation, "model">), model: this.#options.model_id };
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /**
   * For each input the last hidden state of each of its tokens, a conversation with its template around it. Throws as
   * `generate`, and `MODEL_NOT_FOUND` for an ONNX file without `last_hidden_state`.
   */
  async getLastHiddenState(inputs: readonly LLMInput[]): Promise<readonly (readonly Float32Array[])[]> {
    const states = await Promise.all(inputs.map((input) => this.#ask({ type: "hidden", input })));
    return states as readonly (readonly Float32Array[])[];
  }

  /** Ends what is under way, and lets the model go. */
  override async close(): Promise<void> {
    // A thread that is ended while it loads modules can take the process down (Node 20, IsGraphAsync).
    await this.#warmed;
    await this.#pool.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #embed(input: LLMInput, kwargs: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<Generation> {
    const pooling = poolingOf(kwargs);
    const [states = []] = await unlessAborted(this.getLastHiddenState([input]), signal);
    if (states.length === 0) throw unsent("The text has no tokens, and so no embedding.");
    return {
      text: "",
      embedding: poolStates(states, pooling),
      reasoning: null,
      finishReason: "stop",
      inputTokens: states.length,
      outputTokens: 0,
      model: this.#options.model_id,
    };
  }

  async #ask(asked: TransformersTask["asked"]): Promise<TransformersResult> {
    this.#warmed ??= this.#run({ type: "warm" }).catch(() => undefined);
    await this.#warmed;
    return await this.#run(asked);
  }

  async #run(asked: TransformersTask["asked"]): Promise<TransformersResult> {
    let outcome: ThreadOutcome<TransformersResult>;
    try {
      outcome = await this.#pool.run({ settings: this.#settings, folder: this.#folder, asked });
    } catch (error) {
      throw new TidingError("LLM_FAILED", `The model's thread ended: ${messageOf(error)}`, { cause: error });
    }
    return resultOf(outcome);
  }
}

function unsent(message: string): TidingError {
  return new TidingError("ROW_INVALID", message, { isUnsent: true });
}
