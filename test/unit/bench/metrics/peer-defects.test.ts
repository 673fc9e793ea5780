/** Each is a fault that another tool's metrics have, or had: `research/bench-peers.md`, sections 1 and 6. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { handMade, queued, reportOf, reportOfTally, tallyOf } from "../../../support/measured-requests.ts";

const every = (intervalMs: number, count: number) => Array.from({ length: count }, (_, index) => index * intervalMs);

void test("ITL does not include the time to the first token (llmperf's and vLLM #7242's did)", () => {
  const { itl, icl } = reportOf([handMade({ stamps: [5000, 5010, 5020] })]).metrics;
  assert.deepEqual([itl.n, itl.max], [2, 10]);
  assert.deepEqual([icl.n, icl.max], [2, 10]);
});

void test("the time a token that includes the first is named ntpot, and tpot leaves it out (guidellm's TPOT does not)", () => {
  const { tpot, ntpot } = reportOf([
    handMade({ scheduledMs: 0, sentMs: 100, stamps: [600, 610, 620, 630, 640] }),
  ]).metrics;
  assert.equal(tpot.mean, 10);
  assert.equal(ntpot.mean, 540 / 5);
});

void test("an event of several tokens is not one token: 3.2 ms each, not 8.72 (SGLang PR #12064)", () => {
  const stamps = Array.from({ length: 81 }, (_, event) => 100 + event * 8.72);
  const { metrics, throughput } = reportOf([
    handMade({ stamps, tokens: stamps.map((_, event) => (event % 40 < 29 ? 3 : 2)) }),
  ]);
  assert.equal(metrics.itl.n, metrics.output_tokens.mean! - 3);
  assert.ok(Math.abs(metrics.itl.mean! - 3.2) < 0.001, `${metrics.itl.mean}`);
  assert.ok(Math.abs(metrics.icl.mean! - 8.72) < 1e-9);
  assert.equal(throughput.out_tok_s * 10, metrics.output_tokens.mean);
});

void test("failed requests bend neither the latencies nor the rate of successes (guidellm #444)", () => {
  const good = every(100, 50).map((dueMs) => handMade({ scheduledMs: dueMs, stamps: [dueMs + 150, dueMs + 200] }));
  const failed = every(100, 50).map((dueMs) =>
    handMade({ scheduledMs: dueMs, stamps: [dueMs + 1], outcome: "error", error: "error-in-stream" }),
  );
  const [alone, mixed] = [reportOf(good), reportOf([...good, ...failed])];
  assert.deepEqual(mixed.metrics.ttft_response, alone.metrics.ttft_response);
  assert.deepEqual(mixed.metrics.itl, alone.metrics.itl);
  assert.deepEqual(mixed.metrics.e2e_response, alone.metrics.e2e_response);
  assert.equal(mixed.throughput.req_s, alone.throughput.req_s);
  assert.equal(mixed.throughput.error_rate, 0.5);
  assert.deepEqual(mixed.counts.by_error, { "error-in-stream": 50 });
});

void test("tokens of requests still in flight at the window's end count (guidellm #92, inference-benchmarker drop them)", () => {
  /** Ten streams of 20 tokens a second each, all through a window of 5 s that they outlast. */
  const streams = every(0, 10).map((_, index) =>
    handMade({ scheduledMs: index, stamps: every(50, 200).map((at) => at + index) }),
  );
  const cut = handMade({ scheduledMs: 0, stamps: every(50, 60), outcome: "incomplete", endMs: 3000 });
  const { throughput, counts } = reportOf([...streams, cut], { startMs: 0, endMs: 5000 });
  assert.equal(throughput.out_tok_s, 10 * 20 + 60 / 5);
  assert.equal(throughput.out_tok_s_done, 0, "the figure that other tools give is there beside it");
  assert.equal(counts.incomplete, 1);
});

void test("the run starts with its window, not with the first request that completed (inference-benchmarker)", () => {
  const slow = handMade({ scheduledMs: 0, stamps: [3900], endMs: 3900 });
  const quick = handMade({ scheduledMs: 3000, stamps: [3200], endMs: 3200 });
  const { throughput } = reportOf([quick, slow], { startMs: 0, endMs: 4000 });
  assert.equal(throughput.req_s, 0.5);
});

void test("an answer without a token has no TTFT, in particular none of 0 (vLLM #5895, #6064)", () => {
  const { metrics, counts } = reportOf([handMade({ stamps: [], endMs: 30 }), handMade({ stamps: [80] })]);
  assert.deepEqual([metrics.ttft_response.n, metrics.ttft_response.min], [1, 80]);
  assert.equal(metrics.e2e_response.n, 1);
  assert.deepEqual([metrics.output_tokens.n, metrics.output_tokens.min], [2, 0]);
  assert.equal(counts.ok, 2);
});

void test("a single token, or a single event, gives no time a token", () => {
  const { tpot, itl } = reportOf([handMade({ stamps: [80] }), handMade({ stamps: [90], tokens: [40] })]).metrics;
  assert.deepEqual([tpot.n, itl.n], [0, 0]);
});

void test("a due request that must wait is counted, and its wait is in its response time (inference-benchmarker skipped it)", () => {
  const { metrics, counts } = reportOf(queued([0, 0, 0], { places: 1, serviceMs: 100, firstTokenMs: 20 }));
  assert.equal(counts.scheduled, 3);
  assert.deepEqual([metrics.e2e_response.min, metrics.e2e_response.mean, metrics.e2e_response.max], [100, 200, 300]);
  assert.deepEqual([metrics.e2e_service.min, metrics.e2e_service.max], [100, 100]);
  assert.deepEqual([metrics.client_lag.min, metrics.client_lag.max], [0, 200]);
});

void test("at 10 req/s with one in flight and 506 ms each, response times are the schedule's, 1,927 ms on average (vLLM #54101 said 506)", () => {
  const requests = queued(every(100, 8), { places: 1, serviceMs: 506, firstTokenMs: 50 });
  const { metrics } = reportOf(requests);
  assert.equal(metrics.e2e_service.mean, 506);
  assert.equal(metrics.e2e_response.mean, 506 + (406 * 7) / 2);
  assert.equal(metrics.e2e_response.max, 506 + 406 * 7);
  assert.equal(metrics.ttft_response.max, 50 + 406 * 7);
  assert.equal(metrics.client_lag.max, 406 * 7);
});

void test("at 40 req/s with four in flight and 196 ms each, they are 628 ms on average (vLLM #54101 said 196)", () => {
  const { metrics } = reportOf(queued(every(25, 40), { places: 4, serviceMs: 196, firstTokenMs: 20 }));
  assert.equal(metrics.e2e_service.mean, 196);
  assert.equal(metrics.e2e_response.mean, 196 + (96 * 9) / 2);
  assert.equal(metrics.e2e_response.max, 196 + 96 * 9);
});

void test("what was never sent is in the denominator of the SLO (guidellm leaves out what the run's end cut)", () => {
  const slo = { e2e_ms: 1000, attainment: 0.99 };
  const tally = tallyOf(
    [
      handMade({ stamps: [100] }),
      handMade({ stamps: [100], outcome: "incomplete" }),
      handMade({ stamps: [], sentMs: null, outcome: "never-sent" }),
      handMade({ stamps: [], outcome: "error", error: "overloaded" }),
    ],
    undefined,
    slo,
  );
  assert.deepEqual(reportOfTally(tally).slo, { goodput_req_s: 0.1, attainment: 0.25 });
});
