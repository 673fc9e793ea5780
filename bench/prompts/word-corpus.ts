/**
 * Endless text of known length in tokens: a cycle of 65,536 words in an order that the seed decides. A text is a slice of it,
 * so that a prompt of any length costs two look-ups, and each of 65,536 prompts begins at a word of its own.
 */
import { draw, hashText } from "../simulator/hash.ts";
import { MOST_SYNTHETIC } from "./prompt-options.ts";
import type { WordTokens } from "./word-tokens.ts";

/** Words in the cycle. A power of two: an odd stride goes through all of it. */
const CYCLE = MOST_SYNTHETIC;
const STRIDE = 40_503;
/** With fewer single-token words than these, words of several tokens are taken as well. */
const LEAST_WORDS = 64;

export class WordCorpus {
  readonly #text: string;
  /** Where each word of two cycles starts, and what stands before it in tokens. */
  readonly #starts = new Float64Array(2 * CYCLE + 1);
  readonly #tokens = new Float64Array(2 * CYCLE + 1);
  readonly #offset: number;

  constructor(seed: number, measured: readonly WordTokens[]) {
    const words = chooseWords(measured);
    const key = hashText(`corpus ${seed}`);
    this.#offset = key.low % CYCLE;
    const cycle = Array.from({ length: CYCLE }, (_, place) => words[Math.floor(draw(key, 0, place) * words.length)]!);
    for (let place = 0; place < 2 * CYCLE; place++) {
      const { word, next } = cycle[place % CYCLE]!;
      this.#starts[place + 1] = this.#starts[place]! + word.length + 1;
      this.#tokens[place + 1] = this.#tokens[place]! + next;
    }
    const once = cycle.map(({ word }) => `${word} `).join("");
    this.#text = once + once;
  }

  /**
   * Words from the start of prompt `index` on, of `tokens` tokens or, where words have several, of as few less as can be; of
   * no less than `least`.
   */
  slice(index: number, tokens: number, least = 0): string {
    const start = (this.#offset + Math.imul(index, STRIDE)) & (CYCLE - 1);
    const ofCycle = this.#tokens[CYCLE]!;
    const rounds = Math.floor(tokens / ofCycle);
    const rest = tokens - rounds * ofCycle;
    let end = this.#lastWithin(start, rest);
    if (rounds * ofCycle + this.#tokens[end]! - this.#tokens[start]! < least) end++;
    const tail = this.#text.slice(this.#starts[start], Math.max(this.#starts[start]!, this.#starts[end]! - 1));
    const round = this.#text.slice(this.#starts[start], this.#starts[start + CYCLE]);
    return (round.repeat(rounds) + tail).trimEnd();
  }

  /** The place behind the last word that fits into so many tokens. */
  #lastWithin(start: number, tokens: number): number {
    const limit = this.#tokens[start]! + tokens;
    let low = start;
    let high = start + CYCLE;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#tokens[middle]! <= limit) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function chooseWords(words: readonly WordTokens[]): readonly WordTokens[] {
  const single = words.filter(({ first, next }) => first === 1 && next === 1);
  return single.length >= LEAST_WORDS ? single : words.filter(({ next }) => next > 0);
}
