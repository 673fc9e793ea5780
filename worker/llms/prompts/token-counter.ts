/** How many tokens a prompt has for the model, and whether it fits. */
import { Tokenizer } from "@huggingface/tokenizers";
import { TidingError, messageOf } from "../../../shared/errors.ts";
import { pieceCounter } from "./count-by-pieces.ts";
import { objectOf, objectsOf } from "./tokenizer-files.ts";
import type { Room } from "./prompt-renderer.ts";
import type { JsonObject, TokenizerFiles } from "./tokenizer-files.ts";

export interface TokenCounter {
  /** Tokens of a rendered prompt, which holds its special tokens as texts. */
  countTokens(text: string): number;
  /** Whether a rendered prompt has at most `limit` tokens. Counts only where its length leaves that open. */
  fits(text: string, limit: number): boolean;
}

/** What a tokenizer may put before or behind a text on its own. */
const SPARE_TOKENS = 2;

/** Builds the vocabulary: up to seconds, and up to a few hundred MB. Throws `TOKENIZER_UNUSABLE`. */
export function openTokenCounter(files: TokenizerFiles): TokenCounter {
  let tokenizer: Tokenizer;
  try {
    tokenizer = new Tokenizer(files.tokenizer, files.config);
  } catch (error) {
    throw new TidingError(
      "TOKENIZER_UNUSABLE",
      `tokenizer.json of ${files.name} is of a kind that is not read (${messageOf(error).slice(0, 200)}).`,
      {
        place: "tokenizer_id",
        mend: "Save it anew with a recent version of transformers: AutoTokenizer.from_pretrained(…).save_pretrained(…).",
        cause: error,
      },
    );
  }
  const tokensAByte = tokensOfOneByte(files.tokenizer);
  const count = (text: string): number => tokenizer.encode(text, { add_special_tokens: false }).ids.length;
  const countByPieces = pieceCounter(files.tokenizer, count);

  const countTokens = countByPieces ?? count;
  return {
    countTokens,
    fits: (text, limit) => mostTokens(text, tokensAByte) <= limit || countTokens(text) <= limit,
  };
}

/** Tokens that a rendered prompt has at most, by its length alone. */
export function mostTokens(text: string, tokensAByte: number): number {
  const bytes = Buffer.byteLength(text);
  const isAscii = bytes === text.length;
  return bytes * (isAscii && tokensAByte <= NFC_GROWTH ? 1 : tokensAByte) + SPARE_TOKENS;
}

/** Fails a row before its call is paid for. Throws `CONTEXT_TOO_LONG` where prompt and answer have no room. */
export function requireRoom(counter: TokenCounter, prompt: string, room: Room): void {
  const { contextTokens, answerTokens } = room;
  if (counter.fits(prompt, contextTokens - answerTokens)) return;
  const tokens = counter.countTokens(prompt);
  throw new TidingError(
    "CONTEXT_TOO_LONG",
    `The prompt has ${tokens} tokens; with an answer of ${answerTokens} it exceeds the context of ${contextTokens}.`,
    {
      details: { tokens, answerTokens, contextTokens },
      mend: `Shorten the input${answerTokens > 1 ? " or lower max_new_tokens" : ""}, then \`tiding retry\`.`,
    },
  );
}

/** The most that NFC lengthens a text in UTF-8 (Unicode, UAX 15, "expansion factor"); ASCII it leaves as it is. */
const NFC_GROWTH = 3;

/**
 * The most tokens that a byte of text becomes. A token is at least one byte of the normalised text, and a normaliser
 * may lengthen the text; infinite for one whose growth is not known, which makes every text be counted.
 */
export function tokensOfOneByte(tokenizer: JsonObject): number {
  return growthOf(objectOf(tokenizer["normalizer"]));
}

function growthOf(normalizer: JsonObject): number {
  switch (normalizer["type"]) {
    case undefined:
    case "Prepend":
      return 1;
    case "NFC":
      return NFC_GROWTH;
    case "Replace":
      return replacesSpaceByBlock(normalizer) ? 1 : Infinity;
    case "Sequence":
      return objectsOf(normalizer["normalizers"]).reduce((product, inner) => product * growthOf(inner), 1);
    default:
      return Infinity;
  }
}

/** SentencePiece's "▁" is one token at most, though it has three bytes. */
function replacesSpaceByBlock({ pattern, content }: JsonObject): boolean {
  return content === "▁" && objectOf(pattern)["String"] === " ";
}
