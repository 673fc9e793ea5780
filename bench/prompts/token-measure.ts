/** How long a text is in tokens: by the model's tokenizer where there is one, by its words where there is none. */
import path from "node:path";
import { openTokenizerSource } from "../../worker/llms/prompts/open-tokenizer-source.ts";
import { openTokenCounter } from "../../worker/llms/prompts/token-counter.ts";
import { readTokenizerFiles } from "../../worker/llms/prompts/tokenizer-files.ts";

export interface TokenMeasure {
  countTokens(text: string): number;
  /** For the report: `tokens by org/name`. */
  readonly described: string;
}

/**
 * Reads the tokenizer, which takes up to seconds and some hundred MB; none is read for null. Throws `TOKENIZER_UNUSABLE`, or
 * the signal's reason.
 */
export async function openTokenMeasure(
  tokenizerId: string | null,
  { folder }: { readonly folder: string },
): Promise<TokenMeasure> {
  if (tokenizerId === null) return { countTokens: countWords, described: "counting a word as a token" };
  const source = await openTokenizerSource(tokenizerId, { folder, environment: process.env });
  const counter = openTokenCounter(await readTokenizerFiles(source));
  return {
    countTokens: (text) => counter.countTokens(text),
    described: `by the tokenizer of ${shortName(source.name)}`,
  };
}

/** Words, and gaps between paragraphs, which are tokens too. */
function countWords(text: string): number {
  return text.match(/\S+|\n\n/g)?.length ?? 0;
}

/** Of a folder its last name: where it lies differs by machine. */
function shortName(name: string): string {
  return /^[\w.-]+\/[\w.@-]+$/.test(name) ? name : path.basename(name);
}
