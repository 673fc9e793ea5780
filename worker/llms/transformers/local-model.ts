/** A model of transformers.js with its tokenizer, as the thread holds it: texts and hidden states, one call at a time. */
import { access } from "node:fs/promises";
import path from "node:path";
import { messageOf, TidingError } from "../../../shared/errors.ts";
import type { Generation, LLMInput } from "../../../shared/task/task.ts";
import { readIfThere } from "../prompts/read-if-there.ts";
import type { Model, ModelInputs, Tokenizer, TransformersLibrary } from "./transformers-library.ts";

export interface ModelSettings {
  /** A folder's full path, or a name on the Hub. */
  readonly model: string;
  readonly isFolder: boolean;
  readonly dtype: string;
  readonly device: string;
  /** Where models of the Hub are kept. */
  readonly cacheFolder: string;
  readonly isOffline: boolean;
}

export interface GenerateRequest {
  readonly input: LLMInput;
  readonly generationKwargs: Readonly<Record<string, unknown>>;
  readonly seed: number;
  /** One cell, set to 1 when the answer is no longer wanted. */
  readonly aborted: Int32Array;
}

/** As distilabel's; the library's own is 20 tokens with the prompt. */
const MAX_NEW_TOKENS = 128;
/** Tokens that a character may be cut into. */
const TOKENS_OF_CHARACTER = 4;
/** Without these the library fails with words that say nothing (transformers.js 4.3). */
const NEEDED = ["config.json", "tokenizer.json", "tokenizer_config.json"];

export class LocalModel {
  readonly #library: TransformersLibrary;
  readonly #tokenizer: Tokenizer;
  readonly #model: Model;
  readonly #chatTemplate: string | null;

  private constructor(parts: {
    readonly library: TransformersLibrary;
    readonly tokenizer: Tokenizer;
    readonly model: Model;
    readonly chatTemplate: string | null;
  }) {
    this.#library = parts.library;
    this.#tokenizer = parts.tokenizer;
    this.#model = parts.model;
    this.#chatTemplate = parts.chatTemplate;
  }

  /** `hidden` loads the body alone, without the head that makes texts. Throws `MODEL_NOT_FOUND`. */
  static async load(
    library: TransformersLibrary,
    settings: ModelSettings,
    makes: "text" | "hidden",
  ): Promise<LocalModel> {
    const { model: name, isFolder, dtype, device, cacheFolder, isOffline } = settings;
    if (isFolder) await assertFiles(name);
    // The library's own search looks at the Hub even where it was told to keep to local files (4.3).
    library.env.allowRemoteModels = !isFolder && !isOffline;
    library.env.cacheDir = cacheFolder;
    const options = { local_files_only: isFolder || isOffline };
    const loader = makes === "text" ? library.AutoModelForCausalLM : library.AutoModel;
    try {
      const tokenizer = await library.AutoTokenizer.from_pretrained(name, options);
      const model = await loader.from_pretrained(name, { ...options, dtype, device });
      // Newer models keep the template in a file of its own, which the library does not read (4.3).
      const chatTemplate = isFolder ? await readIfThere(path.join(name, "chat_template.jinja")) : null;
      return new LocalModel({ library, tokenizer, model, chatTemplate });
    } catch (error) {
      throw new TidingError("MODEL_NOT_FOUND", `The model ${name} cannot be loaded: ${messageOf(error)}`, {
        place: "model_id",
        mend: `See that it has ONNX files for dtype ${dtype} (onnx/model.onnx for fp32) and that ${device} is to be had.`,
        cause: error,
      });
    }
  }

  async generate({ input, generationKwargs, seed, aborted }: GenerateRequest): Promise<Omit<Generation, "model">> {
    const inputs = this.#inputsOf(input);
    const { stop_sequences: written, ...parameters } = generationKwargs;
    const stops = [written ?? []].flat() as string[];
    const { max_new_tokens: most = MAX_NEW_TOKENS } = parameters;
    const made: number[] = [];
    const ending = new this.#library.InterruptableStoppingCriteria();
    let isStopped = false;
    let isPrompt = true;
    const streamer = {
      put: (tokens: readonly (readonly bigint[])[]): void => {
        // The prompt comes first.
        if (!isPrompt) made.push(...(tokens[0] ?? []).map(Number));
        isPrompt = false;
        isStopped = stops.some((stop) => this.#endingOf(made, stop).includes(stop));
        if (isStopped || Atomics.load(aborted, 0) === 1) ending.interrupt();
      },
      end: (): void => undefined,
    };
    this.#library.random.seed(seed);
    const settings = { max_new_tokens: most, ...sampling(parameters) };
    await this.#model.generate({ ...inputs, ...settings, streamer, stopping_criteria: ending });
    const text = this.#tokenizer.decode(made, { skip_special_tokens: true });
    return {
      text: isStopped ? cutAt(text, stops) : text,
      reasoning: null,
      finishReason: !isStopped && made.length === most && !this.#endsItself(made) ? "length" : "stop",
      inputTokens: inputs.input_ids.dims[1] ?? 0,
      outputTokens: made.length,
    };
  }

  /** The state of each token. Throws `MODEL_NOT_FOUND` for a model that gives none. */
  async hiddenStates(input: LLMInput): Promise<readonly Float32Array[]> {
    const { last_hidden_state: state } = await this.#model(this.#inputsOf(input));
    if (state === undefined) {
      throw new TidingError("MODEL_NOT_FOUND", "The model's ONNX file gives no last_hidden_state.", {
        place: "model_id",
        mend: "Export it for feature extraction: optimum-cli export onnx --task feature-extraction.",
      });
    }
    const [, tokens = 0, size = 0] = state.dims;
    const data = state.to("float32").data as Float32Array;
    return Array.from({ length: tokens }, (_, token) => data.slice(token * size, (token + 1) * size));
  }

  #inputsOf(input: LLMInput): ModelInputs {
    if (typeof input === "string") return this.#tokenizer(input, { add_special_tokens: true });
    if (this.#chatTemplate === null && (this.#tokenizer.chat_template ?? null) === null) {
      throw new TidingError("SPEC_INVALID", "The model has no chat template, and was asked for a conversation.", {
        place: "model_id",
        mend: "Take a model that was trained for conversations.",
      });
    }
    let prompt: string;
    try {
      prompt = this.#tokenizer.apply_chat_template(input, {
        ...(this.#chatTemplate === null ? {} : { chat_template: this.#chatTemplate }),
        add_generation_prompt: true,
        tokenize: false,
      });
    } catch (error) {
      throw new TidingError("ROW_INVALID", `The chat template refused the conversation: ${messageOf(error)}`, {
        mend: "Correct the row's messages: their roles and their order.",
        cause: error,
      });
    }
    return this.#tokenizer(prompt, { add_special_tokens: false });
  }

  /** As many of the last tokens as may hold `stop`. */
  #endingOf(made: readonly number[], stop: string): string {
    const tail = made.slice(-(Buffer.byteLength(stop) + TOKENS_OF_CHARACTER));
    return tail.length === 0 ? "" : this.#tokenizer.decode(tail, { skip_special_tokens: true });
  }

  /** The last token is one that no text shows: the model's own end. */
  #endsItself(made: readonly number[]): boolean {
    return this.#tokenizer.decode(made.slice(-1), { skip_special_tokens: true }) === "";
  }
}

/** Temperature 0, or nothing that asks for chance, means the likeliest token each time. */
function sampling({ temperature, ...others }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const isChance = temperature === undefined ? others["top_p"] !== undefined || others["top_k"] !== undefined : true;
  if (temperature === 0 || !isChance) return { do_sample: false, ...others };
  return { do_sample: true, ...(temperature === undefined ? {} : { temperature }), ...others };
}

function cutAt(text: string, stops: readonly string[]): string {
  const places = stops.map((stop) => text.indexOf(stop)).filter((place) => place >= 0);
  return places.length === 0 ? text : text.slice(0, Math.min(...places));
}

async function assertFiles(folder: string): Promise<void> {
  for (const name of NEEDED) {
    await access(path.join(folder, name)).catch((error: unknown) => {
      throw new TidingError("MODEL_NOT_FOUND", `The model's folder ${folder} has no ${name}.`, {
        place: "model_id",
        mend: "Give a folder as `optimum-cli export onnx` writes it: config.json, the tokenizer's files, onnx/model.onnx.",
        cause: error,
      });
    });
  }
}
