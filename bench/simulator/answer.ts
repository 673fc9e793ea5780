/**
 * What the simulator answers: a pure function of the prompt, so that a test can tell whether a row carries its own
 * answer, and a rerun gives the same dataset.
 *
 * A token is a word. An answer that ends by itself has one token more, the end of the sequence, as TGI counts it.
 */

import { hashText, hexOf } from "./hash.ts";
import type { TextHash } from "./hash.ts";
import { CYCLE, wordsFrom, wordsWithin } from "./vocabulary.ts";

export interface AnswerOptions {
  /** Most characters of an uncut answer; it ends with the last whole word that fits, but always holds its key. */
  readonly answerChars: number;
  /** Exact number of tokens of an uncut answer, the end of the sequence included; replaces `answerChars`. */
  readonly answerTokens?: number | undefined;
  /** Most tokens; null for no limit. */
  readonly maxTokens?: number | null;
  /** Given where the seed is to change the answer. */
  readonly seed?: number | null;
}

export interface Answer {
  /** ASCII letters, digits, spaces, `-`, `.` and `:` only. */
  readonly text: string;
  /** Words, and one more when the answer ended by itself. */
  readonly tokens: number;
  /** True when `maxTokens` cut it. */
  readonly cut: boolean;
}

/** A message as the chat route takes it; `content` is text or a list of text and image parts. */
export interface PromptMessage {
  readonly role: string;
  readonly content?: string | null | readonly PromptPart[];
}

export interface PromptPart {
  readonly type: string;
  readonly text?: string;
  readonly image_url?: { readonly url: string };
}

/** What every answer to this prompt begins with, whatever the seed: `answer-` and 16 hexadecimal digits. */
export function answerKey(prompt: string): string {
  return `answer-${hexOf(hashText(prompt))}`;
}

/** The answer to a prompt. */
export function answerFor(prompt: string, options: AnswerOptions): Answer {
  return answerForHash(hashText(prompt), options);
}

/** `answerFor` where the prompt's hash is known. */
export function answerForHash(hash: TextHash, options: AnswerOptions): Answer {
  const seed = options.seed ?? null;
  const start = (seed === null ? hash.low : hashText(`${hash.low} ${seed}`).low) % CYCLE;
  const key = `answer-${hexOf(hash)}${seed === null ? "" : `.${seed}`}:`;
  const words =
    options.answerTokens === undefined
      ? 1 + wordsWithin(start, Math.max(0, options.answerChars - key.length - 1))
      : Math.max(1, options.answerTokens - 1);
  const limit = options.maxTokens ?? Number.POSITIVE_INFINITY;
  const kept = Math.min(words, limit);
  return {
    text: kept === 1 ? key : `${key} ${wordsFrom(start, kept - 1)}`,
    tokens: Math.min(words + 1, limit),
    cut: limit <= words,
  };
}

/** The prompt that a chat request stands for: each message as `<|role|>`, a line break, its content, a line break. */
export function promptOf(messages: readonly PromptMessage[]): string {
  let prompt = "";
  for (const message of messages) prompt += `<|${message.role}|>\n${contentOf(message.content)}\n`;
  return prompt;
}

/** Words of a text, as the simulator counts tokens: runs of characters other than space, tab and line breaks. */
export function countTokens(text: string): number {
  let tokens = 0;
  let insideWord = false;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    const blank = unit === 32 || (unit >= 9 && unit <= 13);
    if (!blank && !insideWord) tokens++;
    insideWord = !blank;
  }
  return tokens;
}

// Images become Markdown inside the prompt, as in TGI's router (`lib.rs`, `MessageChunk`).
function contentOf(content: PromptMessage["content"]): string {
  if (typeof content === "string") return content;
  return (content ?? []).map((part) => part.text ?? `![](${part.image_url?.url ?? ""})`).join("");
}
