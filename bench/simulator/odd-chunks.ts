import { draw } from "./hash.ts";
import type { TextHash } from "./hash.ts";

const LONGEST = 700;

/** The text in pieces of 1 to 700 characters, which no event's border is minded for. Purpose 8 of `draw` is taken here. */
export function cutOddly(hash: TextHash, text: string): string[] {
  const pieces: string[] = [];
  for (let from = 0; from < text.length; from += pieces.at(-1)!.length) {
    pieces.push(text.slice(from, from + 1 + Math.floor(draw(hash, 8, pieces.length) * LONGEST)));
  }
  return pieces;
}
