/** Texts at which a model is to stop, learnt from its template and its special tokens. */
import type { TurnTexts } from "./pre-query-templates.ts";
import type { AddedToken } from "./special-tokens.ts";

/** Ends of a text by the names that model families give them; one that is a special token is used. */
const ENDS_OF_TEXT = ["<|endoftext|>", "<|end_of_text|>", "<eos>", "</s>", "<｜end▁of▁sentence｜>"];

/**
 * Most telling first, since TGI takes four: what ends a user's message, what ends an answer, the tokenizer's end
 * token, an end of text.
 */
export function stopSequences(
  turns: TurnTexts,
  tokens: { readonly eosToken: string | null; readonly addedTokens: readonly AddedToken[] },
): readonly string[] {
  const { eosToken, addedTokens } = tokens;
  const texts = addedTokens.map(({ text }) => text);
  const special = new Set(addedTokens.filter(({ isSpecial }) => isSpecial).map(({ text }) => text));
  const known = eosToken === null ? texts : [...texts, eosToken];
  const ends = [
    turnEnd(turns.afterUser, known),
    firstToken(turns.afterAssistant, known),
    eosToken,
    ...ENDS_OF_TEXT.filter((token) => special.has(token)),
  ];
  return [...new Set(ends.filter((text) => text !== null && text !== ""))] as string[];
}

/** Where no token ends the user's message, the first line of the assistant's header does (OLMo 2, Mistral's first ones). */
function turnEnd(afterUser: string | null, known: readonly string[]): string | null {
  return firstToken(afterUser, known) ?? afterUser?.trim().split("\n", 1)[0] ?? null;
}

/** The token that a text begins with, but for spaces and line ends before it. */
function firstToken(text: string | null, known: readonly string[]): string | null {
  const start = text?.trimStart() ?? "";
  // Runs of spaces are tokens of some tokenizers, and end nothing.
  const tokens = known.filter((token) => token.trim() !== "" && start.startsWith(token));
  return tokens.toSorted((one, other) => other.length - one.length)[0] ?? null;
}
