/**
 * Counting a long text by its words, which come again and again: `@huggingface/tokenizers` 0.2 alone takes 10 to 45 ms for
 * 16,000 characters with Llama 3.1's and Qwen 3's tokenizers, and more than linear time with those that merge over the
 * whole text at once (docs/decisions/2026-11-21-counting-on-the-loop.md).
 *
 * A text is cut only where no token can reach over the cut, so that its pieces together have as many tokens as it has.
 */
import { addedTokens } from "./special-tokens.ts";
import { objectOf, objectsOf } from "./tokenizer-files.ts";
import type { JsonObject } from "./tokenizer-files.ts";

const KEPT_PIECES = 65_536;
const LONGEST_KEPT = 32;

/** Where a tokenizer's texts can be cut. */
interface Cut {
  readonly at: RegExp;
  /** Whether the space that a piece begins with is taken off, since the tokenizer puts one before every text. */
  readonly dropsSpace: boolean;
}

/** A count by pieces that equals the whole text's; null for a tokenizer of which that is not known. */
export function pieceCounter(
  tokenizer: JsonObject,
  count: (text: string) => number,
): ((text: string) => number) | null {
  const cut = cutBetweenWords(tokenizer) ?? cutWithinWhole(tokenizer);
  if (cut === null) return null;
  const kept = new Map<string, number>();
  const countPiece = (piece: string): number => {
    const known = kept.get(piece);
    if (known !== undefined) return known;
    const tokens = count(piece);
    if (piece.length <= LONGEST_KEPT) {
      if (kept.size === KEPT_PIECES) kept.clear();
      kept.set(piece, tokens);
    }
    return tokens;
  };
  return (text) => {
    if (text === "") return 0;
    const [head = "", ...rest] = text.split(cut.at);
    return rest.reduce((sum, piece) => sum + countPiece(cut.dropsSpace ? piece.slice(1) : piece), count(head));
  };
}

/** Those of GPT-4's kind (Llama 3, Qwen 2 to 3): no alternative matches over a single space, but begins there. */
const WORD_PATTERN =
  /^\(\?i:'s\|'t\|'re\|'ve\|'m\|'ll\|'d\)\|\[\^\\r\\n\\p\{L\}\\p\{N\}\]\?\\p\{L\}\+\|\\p\{N\}(\{1,3\})?\| \?\[\^\\s\\p\{L\}\\p\{N\}\]\+\[\\r\\n\]\*\|\\s\*\[\\r\\n\]\+\|\\s\+\(\?!\\S\)\|\\s\+$/;
const BETWEEN_WORDS = /(?<=\S)(?= \S)/u;

/** For tokenizers that split texts into words first, at a pattern that is known. */
function cutBetweenWords(tokenizer: JsonObject): Cut | null {
  const [split = {}, bytes = {}, ...more] = objectsOf(objectOf(tokenizer["pre_tokenizer"])["pretokenizers"]);
  const pattern = objectOf(split["pattern"])["Regex"];
  const isKnown = typeof pattern === "string" && WORD_PATTERN.test(pattern) && split["behavior"] === "Isolated";
  const isPlain = bytes["type"] === "ByteLevel" && bytes["use_regex"] === false && bytes["add_prefix_space"] === false;
  const normalizer = objectOf(tokenizer["normalizer"])["type"];
  if (!isKnown || !isPlain || more.length > 0 || (normalizer !== undefined && normalizer !== "NFC")) return null;
  const takesSpaces = objectsOf(tokenizer["added_tokens"]).some(
    ({ content, lstrip, rstrip }) => lstrip === true || rstrip === true || String(content).includes(" "),
  );
  return takesSpaces ? null : { at: BETWEEN_WORDS, dropsSpace: false };
}

const BEFORE_SPACE = /(?<=[\p{L}\p{N}.,])(?= )/u;
/** Where a space is taken off, a word must follow: an added token, or nothing, would have no space put before it. */
const BEFORE_WORD = /(?<=[\p{L}\p{N}.,])(?= [\p{L}\p{N}])/u;
const OVER_THE_CUT = /[\p{L}\p{N}.,][ ▁]/u;

/**
 * For tokenizers that merge over the whole text (SentencePiece's way: Gemma, Llama 2, Mistral 7B). A merge makes a token
 * of the vocabulary; where no token has a letter followed by a space, none reaches over one.
 */
function cutWithinWhole(tokenizer: JsonObject): Cut | null {
  const model = objectOf(tokenizer["model"]);
  const spaces = spacesOf(tokenizer);
  if (model["type"] !== "BPE" || spaces === null) return null;
  const added = addedTokens(tokenizer).map(({ text }) => text);
  if ([...Object.keys(objectOf(model["vocab"])), ...added].some((token) => OVER_THE_CUT.test(token))) return null;
  if (spaces === "kept") return { at: BEFORE_SPACE, dropsSpace: false };
  return added.some((token) => /^[\p{L}\p{N} ▁]/u.test(token)) ? null : { at: BEFORE_WORD, dropsSpace: true };
}

/**
 * How a tokenizer that merges whole texts treats the space that a piece begins with; null for any other tokenizer.
 * - `kept`: it becomes "▁", as in the whole text
 * - `prepended`: "▁" is put before every text, and so stands for the space once that is taken off
 */
function spacesOf(tokenizer: JsonObject): "kept" | "prepended" | null {
  const before = objectOf(tokenizer["pre_tokenizer"]);
  const normalizer = objectOf(tokenizer["normalizer"]);
  if (normalizer["type"] === undefined) {
    // Puts "▁" before a text only where the text does not begin with one.
    const isWhole = before["type"] === "Metaspace" && before["replacement"] === "▁" && before["split"] === false;
    return isWhole ? "kept" : null;
  }
  // Once "▁" stands in the place of spaces, there are none to split at.
  const isWhole =
    before["type"] === undefined || (before["type"] === "Split" && objectOf(before["pattern"])["String"] === " ");
  const steps = normalizer["type"] === "Sequence" ? objectsOf(normalizer["normalizers"]) : [normalizer];
  const prepends = steps.filter(({ type, prepend }) => type === "Prepend" && prepend === "▁").length;
  const replaces = steps.filter(
    ({ type, content, pattern }) => type === "Replace" && content === "▁" && objectOf(pattern)["String"] === " ",
  ).length;
  if (!isWhole || replaces !== 1 || prepends > 1 || prepends + replaces !== steps.length) return null;
  return prepends === 1 ? "prepended" : "kept";
}
