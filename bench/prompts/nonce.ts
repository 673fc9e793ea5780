/**
 * Words at the start of a prompt that no other prompt has: four that stand for its position, three that stand for the run.
 *
 * Prefix caches of servers keep whole blocks from the start on, or tokens up to the first that differs; so a few words at
 * the very start make all of the prompt new. What a chat template writes before the first message stays common to all.
 */
import { hashText } from "../simulator/hash.ts";
import type { WordTokens } from "./word-tokens.ts";
import { fourWords, WORDS } from "./words.ts";

export const NONCE_WORDS = 7;

export class Nonces {
  readonly #key: number;
  readonly #run: string;
  readonly #runTokens: number;
  readonly #words: readonly WordTokens[];

  /** The same seed and run give the same nonces. */
  constructor({ seed, run }: { readonly seed: number; readonly run: string }, words: readonly WordTokens[]) {
    const { high, low } = hashText(`nonce ${seed} ${run}`);
    const ofRun = [high & 255, (high >>> 8) & 255, (high >>> 16) & 255];
    this.#key = low;
    this.#words = words;
    this.#run = ofRun.map((word) => WORDS[word]).join(" ");
    this.#runTokens = ofRun.reduce((sum, word) => sum + words[word]!.next, 0);
  }

  /** Of a position below 2³²: no two of a run are alike. */
  of(index: number): string {
    return `${fourWords(scatter(index ^ this.#key))} ${this.#run}`;
  }

  tokensOf(index: number): number {
    const bits = scatter(index ^ this.#key);
    const words = this.#words;
    const own = words[(bits >>> 16) & 255]!.next + words[(bits >>> 8) & 255]!.next + words[bits & 255]!.next;
    return words[bits >>> 24]!.first + own + this.#runTokens;
  }
}

/** murmur3's finalizer, which is one-to-one: neighbours begin with different words, and no two become the same. */
function scatter(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
