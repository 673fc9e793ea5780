/**
 * Regression: the `h100` preset was fitted to this table, so that it gives it back proves the fit and the scheduler's
 * shape, and nothing about other hardware.
 *
 * The table is read off inference-benchmarker's dashboard (Llama-3.1-8B, TGI 3 with chunked prefill): 200 prompt tokens,
 * at most 800 new ones, a constant rate for 120 s. As that tool measures, tokens a second are those of requests that ended
 * within the window, over the window; what was in flight at its end is left out.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ANSWER_LENGTH,
  KV_TOKENS,
  MOST_TOKENS,
  PROMPT_TOKENS,
  PUBLISHED,
} from "../../../../../bench/engine/truth/published-table.ts";
import { answerTokensFor } from "../../../../../bench/simulator/answer-length.ts";
import { BatchEngine } from "../../../../../bench/simulator/batching/batch-engine.ts";
import { presetOptions } from "../../../../../bench/simulator/batching/presets.ts";
import { hashText } from "../../../../../bench/simulator/hash.ts";
import { runVirtually } from "./virtual-run.ts";
import type { TimedRequest } from "./virtual-run.ts";

const SECONDS = 120;
/** The last rate at which its queue did not grow. */
const SATURATION = 16.8;

interface Figures {
  readonly itlMs: number;
  /** Of requests that ended, as the table has them. */
  readonly endedTokens: number;
  /** All, over the same time. */
  readonly allTokens: number;
  readonly ttftMs: number;
}

function measure(rate: number): Figures {
  const requests = Array.from({ length: Math.ceil(rate * SECONDS) }, (_, id): TimedRequest => {
    const outputTokens = answerTokensFor(hashText(`rate ${rate}, request ${id}`), ANSWER_LENGTH);
    return { id, atMs: (id * 1_000) / rate, promptTokens: PROMPT_TOKENS, maxNewTokens: MOST_TOKENS, outputTokens };
  });
  const first = new Map<number, number>();
  const tokens = new Map<number, number>();
  let gaps = 0;
  let ended = 0;
  let endedTokens = 0;
  let allTokens = 0;
  const engine = new BatchEngine(presetOptions("h100", { kvTokens: KV_TOKENS }));
  runVirtually(
    engine,
    requests,
    ({ emitted, endMs }) => {
      if (endMs >= SECONDS * 1_000) return;
      for (const emission of emitted) {
        const count = (tokens.get(emission.id) ?? 0) + 1;
        tokens.set(emission.id, count);
        allTokens++;
        if (count === 1) first.set(emission.id, endMs);
        if (!emission.ended) continue;
        ended++;
        endedTokens += count;
        gaps += (endMs - first.get(emission.id)!) / (count - 1);
      }
    },
    SECONDS * 1_000,
  );
  const waits = Array.from(first, ([id, atMs]) => atMs - requests[id]!.atMs);
  return {
    itlMs: gaps / ended,
    endedTokens: endedTokens / SECONDS,
    allTokens: allTokens / SECONDS,
    ttftMs: waits.reduce((sum, wait) => sum + wait, 0) / waits.length,
  };
}

function assertWithin(share: number, found: number, expected: number, what: string): void {
  const off = found / expected - 1;
  assert.ok(Math.abs(off) <= share, `${what}: ${found.toFixed(1)} is ${(off * 100).toFixed(1)} % off ${expected}`);
}

for (const { rate, itlMs, tokensPerSecond: tokens } of PUBLISHED) {
  void test(`the h100 preset with 256k KV tokens gives the published figures at ${rate} requests a second`, () => {
    const found = measure(rate);
    assertWithin(0.1, found.itlMs, itlMs, "ITL");
    assertWithin(0.1, found.endedTokens, tokens, "tokens of ended requests");
    if (rate <= SATURATION) {
      assertWithin(0.1, found.allTokens, tokens, "all tokens");
      assert.ok(found.ttftMs < 300, `${found.ttftMs}`);
    }
    // The queue inside the server grows: 2.7 s and more in the published figure.
    if (rate >= 20) assert.ok(found.ttftMs > 2_700, `${found.ttftMs}`);
  });
}
