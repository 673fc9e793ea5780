/** The port of whatever turns a conversation into the text that a model reads. */
import type { ChatMessage } from "../../../shared/task/task.ts";

/** Turns a conversation into the text that the model reads. */
export interface PromptRenderer {
  /** What the tokenizer adds before a text, and templates write themselves; null where there is none. */
  readonly bosToken: string | null;
  /** Hash of what decides the rendered text; belongs to the job's fingerprint. */
  readonly revision: string;
  /** Texts at which a turn ends: end-of-turn and end-of-text tokens. */
  readonly stopSequences: readonly string[];
  /** What the user should know of how the tokenizer was come by, as sentences. */
  readonly advice?: readonly string[];
  /**
   * `preQuery`: ends with the header of a user's message, for the model to write that message (Magpie). Throws
   * `ROW_INVALID` for a conversation that the template refuses.
   */
  render(messages: readonly ChatMessage[], options: { readonly preQuery: boolean }): string;
  /**
   * Null where a rendered prompt surely has room, by its length; otherwise its tokens are counted. Rejects with
   * `CONTEXT_TOO_LONG`, or with `TOKENIZER_UNUSABLE` for a vocabulary that cannot be read.
   */
  checkRoom(prompt: string, room: Room): Promise<void> | null;
}

export interface Room {
  /** What the server takes, prompt and answer together. */
  readonly contextTokens: number;
  /** Tokens that must be left for the answer, at least 1. */
  readonly answerTokens: number;
}
