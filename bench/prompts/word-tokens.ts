/** What the words of prompts and nonces have in tokens, measured once, so that no prompt waits for a tokenizer. */
import type { TokenMeasure } from "./token-measure.ts";
import { WORDS } from "./words.ts";

export interface WordTokens {
  readonly word: string;
  /** Where a text or a paragraph begins with it. */
  readonly first: number;
  /** Behind a space. */
  readonly next: number;
}

/** In the order of `WORDS`. */
export function measureWords(measure: TokenMeasure): readonly WordTokens[] {
  const [lead = ""] = WORDS;
  const ofLead = measure.countTokens(lead);
  return WORDS.map((word) => ({
    word,
    first: measure.countTokens(word),
    next: measure.countTokens(`${lead} ${word}`) - ofLead,
  }));
}
