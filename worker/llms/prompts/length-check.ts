/** Whether rendered prompts have room, without a vocabulary in memory until a prompt's length leaves that open. */
import type { Room } from "./prompt-renderer.ts";
import { mostTokens, openTokenCounter, requireRoom, tokensOfOneByte } from "./token-counter.ts";
import type { TokenCounter } from "./token-counter.ts";
import { readTokenizerFiles } from "./tokenizer-files.ts";
import type { JsonObject } from "./tokenizer-files.ts";
import type { TokenizerSource } from "./tokenizer-source.ts";

export class LengthCheck {
  readonly #source: TokenizerSource;
  readonly #tokensAByte: number;
  #counter: Promise<TokenCounter> | null = null;

  constructor(source: TokenizerSource, tokenizer: JsonObject) {
    this.#source = source;
    this.#tokensAByte = tokensOfOneByte(tokenizer);
  }

  /** As `PromptRenderer.checkRoom`. */
  check(prompt: string, room: Room): Promise<void> | null {
    const isShort = mostTokens(prompt, this.#tokensAByte) + room.answerTokens <= room.contextTokens;
    return isShort ? null : this.#count(prompt, room);
  }

  async #count(prompt: string, room: Room): Promise<void> {
    requireRoom(await this.#open(), prompt, room);
  }

  #open(): Promise<TokenCounter> {
    this.#counter ??= readTokenizerFiles(this.#source)
      .then(openTokenCounter)
      .catch((error: unknown) => {
        // What could not be read once may be there for the next prompt.
        this.#counter = null;
        throw error;
      });
    return this.#counter;
  }
}
