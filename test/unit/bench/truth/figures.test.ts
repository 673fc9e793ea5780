/**
 * The figures of a report, which `StageTally` adds up in histograms as requests end, beside those of `figuresOf`, which keeps
 * every sample and goes by the letter of the definitions: on what a server with a known truth answers in virtual time.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { figuresIn, figuresOf } from "../../../../bench/engine/truth/figures.ts";
import type { Figures } from "../../../../bench/engine/truth/figures.ts";
import type { PlainRequest } from "../../../../bench/engine/truth/plain-request.ts";
import { playStage } from "../../../../bench/engine/truth/virtual-stage.ts";
import type { Arrivals, StageLoad } from "../../../../bench/load/stage-load.ts";
import { FixedEngine } from "../../../../bench/simulator/batching/fixed-engine.ts";
import { draw, hashText } from "../../../../bench/simulator/hash.ts";
import { handMade, LOAD, reportOfTally, tallyOf } from "../../../support/measured-requests.ts";

const SLO = { ttft_ms: 500, tpot_ms: 25, e2e_ms: 1_200, attainment: 0.9 };
/** With answers of 21 to 59 tokens, 40 on average, it gives 17.6 a second. */
const TRUTH = { fixedTtftMs: 157, stepMs: 19.3, maxBatch: 16, maxConcurrentRequests: 0 };
const PROMPT_TOKENS = 40;
const WINDOW = { startMs: 5_000, endMs: 36_000 };

function played(arrivals: Arrivals, changes: Partial<StageLoad> = {}): readonly PlainRequest[] {
  const load = { ...LOAD, arrivals, seconds: 40, warmUpSeconds: 5, coolDownSeconds: 4, graceSeconds: 300, ...changes };
  const hash = hashText("figures");
  return playStage(load, {
    engine: new FixedEngine(TRUTH),
    answerOf: (index) => ({
      key: String(index),
      promptTokens: PROMPT_TOKENS,
      outputTokens: 21 + Math.floor(draw(hash, 0, index) * 39),
      maxTokens: 100,
      finishReason: draw(hash, 1, index) < 0.3 ? "length" : "eos_token",
      fault: draw(hash, 2, index) < 0.1 ? { error: "no-end", at: "halfway" } : null,
    }),
  });
}

/** As the load generator hands a request to the tally. A failed one has no count but its events. */
function measured(request: PlainRequest) {
  const { tokensMs, outcome, ...record } = request;
  const outputTokens = outcome === "ok" ? request.outputTokens : tokensMs.length;
  const finishReason = outcome === "ok" ? request.finishReason : null;
  return handMade({ ...record, outcome, outputTokens, finishReason, stamps: tokensMs, tokens: tokensMs.map(() => 1) });
}

function assertSame(found: Figures, expected: Figures): void {
  for (const [name, truth] of expected) {
    const value = found.get(name) ?? (name.startsWith("counts.") ? 0 : null);
    if (truth === null || value === null) {
      assert.equal(value, truth, name);
      continue;
    }
    // Histograms keep three digits, and thousandths.
    const slack = /\.p\d+$/.test(name) ? Math.max(0.002 * truth, 0.001) : 1e-9 * Math.max(1, Math.abs(truth));
    assert.ok(Math.abs(value - truth) <= slack, `${name}: ${value} is not ${truth}`);
  }
  for (const name of found.keys()) assert.ok(expected.has(name), `${name} is no figure that is known`);
}

const LOADS: readonly (readonly [name: string, arrivals: Arrivals, changes?: Partial<StageLoad>])[] = [
  ["a closed loop below the knee", { kind: "closed", concurrency: 5 }, { rampSeconds: 3 }],
  ["a closed loop above it", { kind: "closed", concurrency: 24 }, { rampSeconds: 3 }],
  ["a constant rate below the knee", { kind: "constant", rate: 8.7 }],
  ["a constant rate above it", { kind: "constant", rate: 23 }],
  ["Poisson arrivals below the knee", { kind: "poisson", rate: 8.7 }],
  ["Poisson arrivals at the knee", { kind: "poisson", rate: 17.6 }],
  ["a limit in flight that leaves requests behind", { kind: "constant", rate: 23 }, { maxInFlight: 10 }],
];

for (const [name, arrivals, changes] of LOADS) {
  void test(`every figure is that of its definition: ${name}`, () => {
    const requests = played(arrivals, changes);
    const report = reportOfTally(tallyOf(requests.map(measured), WINDOW, SLO));
    assertSame(figuresIn(report), figuresOf(requests, { window: WINDOW, slo: SLO }));
    assert.ok(report.counts.ok > 100 && report.counts.errors > 10);
  });
}

void test("figures are those that one can work out on paper", () => {
  const request: PlainRequest = {
    scheduledMs: 0,
    sentMs: 10,
    tokensMs: [110, 130, 190],
    endMs: 200,
    outcome: "ok",
    error: null,
    finishReason: "length",
    promptTokens: 7,
    outputTokens: 3,
  };
  const failed: PlainRequest = { ...request, tokensMs: [500], outcome: "error", error: "no-end", promptTokens: null };
  const figures = figuresOf([request, failed], {
    window: { startMs: 0, endMs: 1_000 },
    slo: { attainment: 1, ttft_ms: 105 },
  });
  const expected = {
    "ttft_response.mean": 110,
    "ttft_service.mean": 100,
    "e2e_response.mean": 190,
    "e2e_service.mean": 180,
    "tpot.mean": 40,
    "itl.mean": 40,
    "itl.n": 2,
    "ntpot.mean": 60,
    "client_lag.mean": 10,
    "throughput.req_s": 1,
    "throughput.out_tok_s": 4,
    "throughput.out_tok_s_done": 3,
    "throughput.in_tok_s": 7,
    "throughput.concurrency": 0.38,
    "throughput.error_rate": 0.5,
    "counts.by_error.no-end": 1,
    "slo.attainment": 0,
    "ttft_response.p50": null,
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(figures.get(name), value, name);
});
