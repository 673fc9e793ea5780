/**
 * What TGI 3 does with Llama-3.1-8B, read off inference-benchmarker's dashboard: a constant rate for 120 s, 200 prompt
 * tokens, at most 800 new ones (`research/bench-peers.md`, section 9.1). As that tool measures, tokens a second are those of
 * requests that ended within the window. The simulator's preset was fitted to these very figures.
 */
import type { AnswerLength } from "../../simulator/answer-length.ts";

export interface PublishedRate {
  /** Requests a second. */
  readonly rate: number;
  readonly itlMs: number;
  readonly tokensPerSecond: number;
}

export const PUBLISHED: readonly PublishedRate[] = (
  [
    [0.8, 9.4, 320],
    [2.4, 10.0, 1010],
    [4.0, 10.8, 1818],
    [5.6, 16.1, 2424],
    [7.2, 19.5, 2833],
    [8.8, 21.4, 3485],
    [10.4, 22.6, 4121],
    [12.0, 23.2, 4682],
    [13.6, 24.9, 5374],
    [15.2, 27.2, 5732],
    [16.8, 29.7, 6242],
    [18.4, 33.1, 6303],
    [20.0, 37.1, 6813],
    [21.6, 38.2, 6818],
    [23.2, 38.3, 6818],
  ] as const
).map(([rate, itlMs, tokensPerSecond]) => ({ rate, itlMs, tokensPerSecond }));

/** The last rate at which its queue hardly grew. */
export const SATURATION = 18.4;
export const KV_TOKENS = 262_144;
export const PROMPT_TOKENS = 200;
export const MOST_TOKENS = 800;
/** What the table's tokens and rates imply, with what the tool leaves out. */
export const ANSWER_LENGTH: AnswerLength = { meanTokens: 433, sigmaTokens: 50, minTokens: 50, maxTokens: MOST_TOKENS };
