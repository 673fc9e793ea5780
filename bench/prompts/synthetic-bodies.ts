/** Prompts of words, of lengths that are drawn. */
import { hashText } from "../simulator/hash.ts";
import type { TextHash } from "../simulator/hash.ts";
import { drawLength, lengthInWords } from "./draw-length.ts";
import type { Openings } from "./openings.ts";
import { refusedPrompts } from "./prompt-options.ts";
import type { LengthSpec, SyntheticSource } from "./prompt-options.ts";
import type { PromptBodies } from "./prompt-source.ts";
import type { BenchMessage } from "./read-conversation.ts";
import type { TokenMeasure } from "./token-measure.ts";
import type { WordCorpus } from "./word-corpus.ts";

const PURPOSE_LENGTH = 0;

export interface SyntheticMeans {
  readonly seed: number;
  readonly corpus: WordCorpus;
  readonly measure: TokenMeasure;
  readonly openings: Openings;
}

export class SyntheticBodies implements PromptBodies {
  readonly count: number;
  readonly described: string;
  readonly meanTokens: number;
  readonly #means: SyntheticMeans;
  readonly #length: LengthSpec;
  readonly #instruction: string;
  readonly #instructionTokens: number;
  readonly #key: TextHash;

  /** Throws `USAGE` for prompts that have no room for what all of them begin with. */
  constructor({ tokens, count, instruction }: SyntheticSource, means: SyntheticMeans) {
    const { seed, measure, openings } = means;
    this.count = count;
    this.meanTokens = tokens.mean;
    this.#means = means;
    this.#instruction = instruction;
    this.#instructionTokens = instruction === "" ? 0 : measure.countTokens(instruction);
    this.#key = hashText(`lengths ${seed}`);
    // One word at least is the prompt's own.
    const needed = openings.mostTokens + this.#instructionTokens + 1;
    if (tokens.mean < needed) {
      throw refusedPrompts(`Prompts of ${tokens.mean} tokens have no room for the ${needed} that all of them need.`, {
        key: "source.tokens",
        mend: "Make them longer, or leave out the instruction, the nonce or the shared prefix.",
      });
    }
    this.#length = { ...tokens, min: Math.max(tokens.min ?? 1, needed) };
    const different = count === 1 ? "one prompt" : `${count} prompts`;
    const task = instruction === "" ? "" : `, asked "${instruction}"`;
    this.described = `synthetic: ${different} of ${lengthInWords(tokens)} tokens, ${measure.described}${task}`;
  }

  messages(index: number): readonly BenchMessage[] {
    const { corpus, openings } = this.#means;
    const prompt = index % this.count;
    const tokens = drawLength(this.#length, this.#key, { purpose: PURPOSE_LENGTH, index: prompt });
    const before = openings.tokens(index) + this.#instructionTokens;
    const words = corpus.slice(prompt, tokens - before, (this.#length.min ?? 1) - before);
    const task = this.#instruction === "" ? words : `${this.#instruction} ${words}`;
    return [{ role: "user", content: openings.text(index) + task }];
  }

  render([message]: readonly BenchMessage[]): string {
    return message?.content ?? "";
  }
}
