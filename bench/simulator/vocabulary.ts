/**
 * The words that simulated answers are made of: ASCII letters only, so that an answer needs no escaping in JSON and one
 * byte a character on the wire.
 *
 * `TEXT` is a fixed cycle of 4,096 words, written out twice; an answer is a slice of it. Cutting a slice costs the same
 * for 10 and for 10,000 characters.
 */

import { draw, hashText } from "./hash.ts";

const WORDS = (
  "magpie nest feather branch morning river stone silver thread story winter garden letter answer question market " +
  "north window quiet bright copper meadow evening path bridge paper light shadow harbour island lantern orchard " +
  "a to of in and the with from over under near far old new small great slow quick first last open closed warm cold " +
  "carries finds keeps builds follows gathers remembers returns watches sings waits learns"
).split(" ");

/** Words in one cycle. */
export const CYCLE = 4096;

const CYCLE_WORDS = Array.from({ length: CYCLE }, (_, index) => WORDS[wordIndex(index)]!);

/** Where each word of two cycles starts in `TEXT`; one entry more for the end. */
const STARTS = new Uint32Array(2 * CYCLE + 1);

/** Two cycles of words, each followed by one space. */
const TEXT = (() => {
  let text = "";
  for (let index = 0; index < 2 * CYCLE; index++) {
    STARTS[index] = text.length;
    text += `${CYCLE_WORDS[index % CYCLE]} `;
  }
  STARTS[2 * CYCLE] = text.length;
  return text;
})();

/** Characters of one cycle, its spaces included. */
const CYCLE_CHARS = STARTS[CYCLE]!;

/** `count` words from word `start` (below `CYCLE`) of the cycle, joined by single spaces. */
export function wordsFrom(start: number, count: number): string {
  if (count <= 0) return "";
  const whole = Math.floor((count - 1) / CYCLE);
  const rest = count - whole * CYCLE;
  const tail = TEXT.slice(STARTS[start], STARTS[start + rest]! - 1);
  return whole === 0 ? tail : TEXT.slice(STARTS[start], STARTS[start + CYCLE]).repeat(whole) + tail;
}

/** How many words from word `start` of the cycle fit into `chars` characters, joined by single spaces. */
export function wordsWithin(start: number, chars: number): number {
  const whole = Math.floor((chars + 1) / CYCLE_CHARS);
  const limit = STARTS[start]! + (chars + 1) - whole * CYCLE_CHARS;
  let low = start;
  let high = start + CYCLE;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (STARTS[middle]! <= limit) low = middle;
    else high = middle - 1;
  }
  return whole * CYCLE + (low - start);
}

const IDS = new Map(WORDS.map((word, index) => [word, index + 10]));

/** The token id of a word; ids below 10 are for the answer's key (3) and for the end of the sequence (2). */
export function tokenId(word: string): number {
  return IDS.get(word.trimStart()) ?? 3;
}

function wordIndex(position: number): number {
  return Math.floor(draw(hashText(`word ${position}`), 0) * WORDS.length);
}
