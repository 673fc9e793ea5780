import assert from "node:assert/strict";
import { test } from "node:test";
import type { BenchReport } from "../../../../bench/report/bench-report.ts";
import { headlinesOf } from "../../../../bench/report/headlines.ts";
import type { RunContext } from "../../../../bench/report/headlines.ts";
import { benchReport, distributionOf, stageReport } from "../../../support/bench-reports.ts";

const finished: RunContext = { state: "finished", heldBack: new Map(), notes: [] };
const [first, second] = benchReport().stages;

function withStage(changes: Partial<BenchReport["stages"][number]>, report: Partial<BenchReport> = {}): BenchReport {
  return benchReport({ stages: [first!, { ...second!, ...changes }], ...report });
}

void test("a run without trouble has no headline", () => {
  assert.deepEqual(headlinesOf(benchReport(), finished), []);
});

void test("failures stand first, with their share and what they were", () => {
  const stage = stageReport({ name: "4 req/s", kind: "constant", value: 4, reqS: 3, ttftMs: 40, itlMs: 9, errors: 50 });
  const by = { ...stage, counts: { ...stage.counts, by_error: { overloaded: 40, "no-end": 10 } } };
  const [headline] = headlinesOf(benchReport({ stages: [by] }), finished);
  assert.equal(headline, "25 % of the requests failed: overloaded 40, no-end 10.");
});

void test("a run that the client limited says so, and why", () => {
  const client = { ...second!.client, limited: true, why: ["It was late."] };
  const [headline] = headlinesOf(withStage({ client }), finished);
  assert.match(headline ?? "", /^Client-limited at concurrency 32: .*not of the endpoint\. It was late\.$/);
});

void test("requests that waited for --max-in-flight are told, with their wait", () => {
  const stage = stageReport({ name: "9 req/s", kind: "constant", value: 9, reqS: 8, ttftMs: 40, itlMs: 9 });
  const heldBack = new Map([["9 req/s", { requests: 41, waitP99Ms: 2_300 }]]);
  const [headline] = headlinesOf(benchReport({ stages: [stage] }), { ...finished, heldBack });
  assert.match(
    headline ?? "",
    /^Capped by --max-in-flight 1024 at 9 req\/s: .*41 due requests waited .*2\.30 s \(p99\)/,
  );
});

void test("a queue that grew makes latencies those of a moment", () => {
  const [headline] = headlinesOf(withStage({ over_saturated: true }), finished);
  assert.match(headline ?? "", /^Over-saturated at concurrency 32/);
});

void test("what was cut or never sent is told, and never left out", () => {
  const counts = { ...second!.counts, scheduled: second!.counts.scheduled + 3, incomplete: 1, never_sent: 2 };
  const [headline] = headlinesOf(withStage({ counts }), finished);
  assert.match(headline ?? "", /1 request cut before the end, 2 due requests never sent/);
});

void test("a prefix cache that was warmer than meant is told", () => {
  const server = { kind: "vllm", seconds: 60, prefix_cache_hit_rate: 0.4 };
  assert.match(headlinesOf(withStage({ server }), finished)[0] ?? "", /^Warm prefix cache: up to 40 % /);
  const prompts = { ...benchReport().prompts, nonce: false, shared_prefix: 0.5 };
  assert.deepEqual(headlinesOf(withStage({ server }, { prompts }), finished), []);
});

void test("tokens that the server did not count are told", () => {
  const counts = { ...second!.counts, token_sources: { tokenizer: second!.counts.ok } };
  assert.match(headlinesOf(withStage({ counts }), finished)[0] ?? "", /counted by a tokenizer here/);
});

void test("answers whose length the server chose are told, with how many ran to their limit", () => {
  const metrics = {
    ...second!.metrics,
    output_tokens: distributionOf(Array.from({ length: second!.counts.ok }, () => 30)),
  };
  const counts = { ...second!.counts, finish_reasons: { stop: second!.counts.ok } };
  const report = benchReport({ stages: [{ ...second!, metrics, counts }] });
  assert.match(
    headlinesOf(report, finished)[0] ?? "",
    /^Output lengths by the server: 30\.0 tokens .*of 120 allowed; 0 % /,
  );
});

void test("an endpoint on the client's own machine, and a CPU that saves power, are told", () => {
  const endpoint = { ...benchReport().endpoint, url: "http://127.0.0.1:8080" };
  const client = { ...benchReport().client, governor: "powersave" };
  const headlines = headlinesOf(benchReport({ endpoint, client }), finished);
  assert.equal(headlines.length, 2);
  assert.match(headlines.join(" "), /own machine.*powersave/);
});

void test("a report that was written before the end says so first", () => {
  for (const [state, begins] of [
    ["running", /^Not finished: written after 2 stages/],
    ["interrupted", /^Interrupted: 2 stages measured/],
    ["unanswered", /^No request of the last stage was answered/],
  ] as const) {
    assert.match(headlinesOf(benchReport(), { ...finished, state })[0] ?? "", begins);
  }
});
