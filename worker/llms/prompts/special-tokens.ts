/** The special tokens of a tokenizer, from whichever of its files names them. */
import type { JsonObject } from "./tokenizer-files.ts";
import { objectOf, objectsOf } from "./tokenizer-files.ts";

/** By the names that chat templates use: `bos_token`, `eos_token`, `unk_token` … */
export type NamedTokens = Readonly<Record<string, string>>;

const NAMES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/** A token is a text or an AddedToken object; tokenizer_config.json wins over special_tokens_map.json, its forerunner. */
export function namedTokens(config: JsonObject, map: JsonObject): NamedTokens {
  const tokens: Record<string, string> = {};
  for (const name of NAMES) {
    const text = textOf(config[name]) ?? textOf(map[name]);
    if (text !== null) tokens[name] = text;
  }
  return tokens;
}

/** What the tokenizer itself puts before a text; null where it puts nothing there. */
export function prependedToken(tokenizer: JsonObject): string | null {
  const single = templateOf(objectOf(tokenizer["post_processor"]));
  return single === null ? null : textOf(objectOf(single[0]?.["SpecialToken"])["id"]);
}

/** Tokens that are found in a text as a whole. */
export interface AddedToken {
  readonly text: string;
  /** Never part of what a person wrote, as `<|im_end|>` is; Gemma's `</s>` of HTML is not special. */
  readonly isSpecial: boolean;
}

export function addedTokens(tokenizer: JsonObject): readonly AddedToken[] {
  return objectsOf(tokenizer["added_tokens"]).flatMap(({ content, special }) =>
    typeof content === "string" && content !== "" ? [{ text: content, isSpecial: special === true }] : [],
  );
}

/** The template for one text of a TemplateProcessing, which may be one of a sequence (Llama 3). */
function templateOf(processor: JsonObject): readonly JsonObject[] | null {
  if (processor["type"] === "TemplateProcessing") return objectsOf(processor["single"]);
  const inner = objectsOf(processor["processors"]).map(templateOf);
  return inner.find((single) => single !== null) ?? null;
}

function textOf(token: unknown): string | null {
  const text = typeof token === "string" ? token : objectOf(token)["content"];
  return typeof text === "string" && text !== "" ? text : null;
}
