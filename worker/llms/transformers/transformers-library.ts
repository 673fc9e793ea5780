/**
 * What is used of `@huggingface/transformers`, and how it is found. It is an optional peer, because it weighs 474 MB: it
 * is loaded when a model is, and its types are written down here, as they are in 4.3.1.
 */
import { createRequire } from "node:module";
import path from "node:path";
import { messageOf, TidingError } from "../../../shared/errors.ts";

export interface Tensor {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint>;
  to(type: "float32"): Tensor;
  tolist(): (number | bigint)[][];
}

/** What a tokenizer makes of one text: tensors of one row. */
export interface ModelInputs {
  readonly input_ids: Tensor;
  readonly attention_mask: Tensor;
}

export interface Tokenizer {
  (text: string, options: { readonly add_special_tokens: boolean }): ModelInputs;
  readonly chat_template: unknown;
  apply_chat_template(messages: unknown, options: Readonly<Record<string, unknown>>): string;
  decode(ids: readonly number[], options: { readonly skip_special_tokens: boolean }): string;
}

export interface Model {
  (inputs: ModelInputs): Promise<{ readonly last_hidden_state?: Tensor }>;
  generate(options: Readonly<Record<string, unknown>>): Promise<Tensor>;
}

interface Loader<Loaded> {
  from_pretrained(name: string, options: Readonly<Record<string, unknown>>): Promise<Loaded>;
}

export interface TransformersLibrary {
  readonly env: { allowRemoteModels: boolean; cacheDir: string };
  /** Draws of all sampling. */
  readonly random: { seed(seed: number): void };
  readonly AutoTokenizer: Loader<Tokenizer>;
  readonly AutoModel: Loader<Model>;
  readonly AutoModelForCausalLM: Loader<Model>;
  readonly InterruptableStoppingCriteria: new () => { interrupt(): void };
}

const PACKAGE = "@huggingface/transformers";

/** Looked for from `folder`, then beside Tiding. Throws `PACKAGE_MISSING`. */
export function loadTransformers(folder: string): TransformersLibrary {
  const places = [createRequire(path.join(folder, "package.json")), createRequire(import.meta.url)];
  for (const require of places) {
    let entry: string;
    try {
      entry = require.resolve(PACKAGE);
    } catch {
      // Not to be found from here; the next place may have it.
      continue;
    }
    try {
      return require(entry) as TransformersLibrary;
    } catch (error) {
      throw new TidingError("PACKAGE_MISSING", `${PACKAGE} is installed, and cannot be loaded: ${messageOf(error)}`, {
        place: "class",
        mend: `Install it anew: npm install ${PACKAGE}`,
        cause: error,
      });
    }
  }
  throw new TidingError("PACKAGE_MISSING", `TransformersLLM needs the package ${PACKAGE}, which is not installed.`, {
    place: "class",
    mend: `npm install ${PACKAGE}`,
  });
}
