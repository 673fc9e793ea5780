/** What stands before each prompt: the text of its group where it shares one, and its nonce. */
import { draw, hashText } from "../simulator/hash.ts";
import { NONCE_WORDS, Nonces } from "./nonce.ts";
import type { SettledPrompts } from "./prompt-options.ts";
import { refusedPrompts } from "./prompt-options.ts";
import type { TokenMeasure } from "./token-measure.ts";
import type { WordCorpus } from "./word-corpus.ts";
import type { WordTokens } from "./word-tokens.ts";

const GAP = "\n\n";
/** Of so many nonces the longest is looked for where words have several tokens. */
const NONCE_SAMPLE = 256;
/** Positions of the corpus from which the groups' texts are cut; prompts start at the lower ones. */
const GROUP_START = 32_768;
const LAST_POSITION = 2 ** 32 - 1;

export interface OpeningMeans {
  /** Asked for where groups share a text. */
  readonly corpus: () => WordCorpus;
  readonly measure: TokenMeasure;
  readonly words: readonly WordTokens[];
}

export class Openings {
  /** Tokens that an opening has at most, with the gap behind it. */
  readonly mostTokens: number;
  readonly #nonces: Nonces | null;
  readonly #groups: readonly string[];
  readonly #groupTokens: number;
  readonly #share: number;
  readonly #gapTokens: number;
  readonly #key;

  /** Throws `USAGE` for shared texts that are too short to differ. */
  constructor({ seed, run, nonce, sharedPrefix }: SettledPrompts, { corpus, measure, words }: OpeningMeans) {
    const nonces = new Nonces({ seed, run }, words);
    this.#nonces = nonce ? nonces : null;
    this.#share = sharedPrefix?.share ?? 0;
    this.#groupTokens = sharedPrefix?.tokens ?? 0;
    this.#key = hashText(`groups ${seed}`);
    this.#gapTokens = measure.countTokens(`a${GAP}b`) - measure.countTokens("a") - measure.countTokens("b");
    // The nonces of groups are those of positions that no run gets to.
    this.#groups = Array.from({ length: sharedPrefix?.groups ?? 0 }, (_, group) => {
      const position = LAST_POSITION - group;
      const room = this.#groupTokens - nonces.tokensOf(position);
      if (room > 0) return `${nonces.of(position)} ${corpus().slice(GROUP_START + group, room)}`;
      throw refusedPrompts(`A shared prefix of ${this.#groupTokens} tokens is too short.`, {
        key: "sharedPrefix.tokens",
        mend: `Give it more than ${NONCE_WORDS} words: that many tell the runs apart.`,
      });
    });
    const nonceTokens = Array.from({ length: NONCE_SAMPLE }, (_, index) => this.#nonceTokens(index));
    const groupTokens = this.#groups.length === 0 ? 0 : this.#groupTokens + this.#gapTokens;
    this.mostTokens = Math.max(...nonceTokens) + groupTokens;
  }

  /** Ends with the gap before the prompt; empty where nothing stands before it. */
  text(index: number): string {
    const nonce = this.#nonces === null ? "" : this.#nonces.of(index) + GAP;
    const group = this.#groupOf(index);
    return group === null ? nonce : this.#groups[group] + GAP + nonce;
  }

  /** Tokens of `text`, its gaps included. */
  tokens(index: number): number {
    return this.#nonceTokens(index) + (this.#groupOf(index) === null ? 0 : this.#groupTokens + this.#gapTokens);
  }

  #nonceTokens(index: number): number {
    return this.#nonces === null ? 0 : this.#nonces.tokensOf(index) + this.#gapTokens;
  }

  /** Null for a prompt that shares nothing. */
  #groupOf(index: number): number | null {
    if (this.#share === 0 || draw(this.#key, 0, index) >= this.#share) return null;
    return Math.floor(draw(this.#key, 1, index) * this.#groups.length);
  }
}
