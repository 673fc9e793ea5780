/** The files of a tokenizer, read and checked as far as rendering and counting need it. */
import { TidingError, messageOf } from "../../../shared/errors.ts";
import type { TokenizerSource } from "./tokenizer-source.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export interface TokenizerFiles {
  readonly name: string;
  readonly tokenizer: JsonObject;
  readonly config: JsonObject;
  /** Older repositories keep special tokens here as well. */
  readonly specialTokensMap: JsonObject;
  readonly chatTemplate: string;
}

/** Throws `TOKENIZER_UNUSABLE` where a file is missing or malformed, or no chat template is there. */
export async function readTokenizerFiles(source: TokenizerSource): Promise<TokenizerFiles> {
  const config = await readObject(source, "tokenizer_config.json");
  const chatTemplate = await readChatTemplate(source, config);
  if (chatTemplate === null) {
    throw unusable(`The tokenizer of ${source.name} has no chat template.`, {
      mend: "Base models have none: give the tokenizer_id of the model's instruct or chat version.",
    });
  }
  const tokenizer = await readObject(source, "tokenizer.json");
  const specialTokensMap = (await readObjectIfThere(source, "special_tokens_map.json")) ?? {};
  return { name: source.name, tokenizer, config, specialTokensMap, chatTemplate };
}

/**
 * `chat_template.jinja` wins over the key in tokenizer_config.json, as in transformers 5; `chat_template.json` is
 * what processors of older multimodal repositories have.
 */
async function readChatTemplate(source: TokenizerSource, config: JsonObject): Promise<string | null> {
  const file = await source.read("chat_template.jinja");
  if (file !== null) return file;
  const inConfig = templateOf(config["chat_template"]);
  if (inConfig !== null) return inConfig;
  return templateOf((await readObjectIfThere(source, "chat_template.json"))?.["chat_template"]);
}

/** A text, or a list of named ones, of which `default` is the one for plain conversations. */
function templateOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  const templates = objectsOf(value);
  const template = (templates.find(({ name }) => name === "default") ?? templates[0])?.["template"];
  return typeof template === "string" ? template : null;
}

async function readObject(source: TokenizerSource, file: string): Promise<JsonObject> {
  const object = await readObjectIfThere(source, file);
  if (object !== null) return object;
  throw unusable(`${source.name} has no ${file}.`, {
    mend:
      file === "tokenizer.json"
        ? "Convert its tokenizer with transformers: AutoTokenizer.from_pretrained(…).save_pretrained(…)."
        : "Give the folder or the repository that holds the tokenizer's files.",
  });
}

async function readObjectIfThere(source: TokenizerSource, file: string): Promise<JsonObject | null> {
  const text = await source.read(file);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unusable(`${file} of ${source.name} is not JSON (${messageOf(error).slice(0, 100)}).`, {
      mend: text.startsWith("version https://git-lfs")
        ? "It is a pointer of Git LFS: run `git lfs pull` in that folder."
        : "Fetch the file anew.",
      cause: error,
    });
  }
  return objectOf(value);
}

/** The value where it is an object; an empty one where it is anything else. */
export function objectOf(value: unknown): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** The objects of a list; none where it is no list. */
export function objectsOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}

function unusable(message: string, options: { readonly mend: string; readonly cause?: unknown }): TidingError {
  return new TidingError("TOKENIZER_UNUSABLE", message, { place: "tokenizer_id", ...options });
}
