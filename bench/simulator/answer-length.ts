/**
 * How many tokens an answer has, drawn by its prompt's hash: with a normal draw z,
 *
 *   meanTokens + sigmaTokens * z, rounded, within minTokens and maxTokens
 *
 * The ends are where draws beyond them fall, as the samplers of benchmarks have it.
 */

import { draw } from "./hash.ts";
import type { TextHash } from "./hash.ts";

export interface AnswerLength {
  readonly meanTokens: number;
  readonly sigmaTokens: number;
  /** At least 2: a word, and the end of the sequence. */
  readonly minTokens: number;
  readonly maxTokens: number;
}

/** Purposes 5 and 6 of `draw` are taken here. */
export function answerTokensFor(hash: TextHash, options: AnswerLength): number {
  const { meanTokens, sigmaTokens, minTokens, maxTokens } = options;
  const normal = Math.sqrt(-2 * Math.log(1 - draw(hash, 5))) * Math.cos(2 * Math.PI * draw(hash, 6));
  return Math.min(maxTokens, Math.max(minTokens, Math.round(meanTokens + sigmaTokens * normal)));
}
