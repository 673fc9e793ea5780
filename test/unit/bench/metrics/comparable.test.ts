import assert from "node:assert/strict";
import { test } from "node:test";
import { whyNotComparable } from "../../../../bench/metrics/comparable.ts";
import { BENCH_REPORT_VERSION, BenchReport } from "../../../../bench/report/bench-report.ts";
import type { StageReport } from "../../../../bench/report/bench-report.ts";
import { handMade, reportOf } from "../../../support/measured-requests.ts";

function stageOf(tokens: number, load: Partial<StageReport["load"]> = {}): StageReport {
  const report = reportOf([handMade({ stamps: Array.from({ length: tokens }, (_, event) => 100 + event) })]);
  return { ...report, name: `${load.rate ?? 10} req/s`, load: { ...report.load, ...load } };
}

function benchOf(stages: readonly StageReport[], change: Partial<BenchReport> = {}): BenchReport {
  return BenchReport.parse({
    version: BENCH_REPORT_VERSION,
    kind: "endpoint",
    id: "a",
    tiding: "0.1.0",
    started_at: new Date(0).toISOString(),
    seconds: 10,
    profile: "constant",
    endpoint: {
      url: "http://127.0.0.1:1",
      server: "tgi",
      server_version: null,
      model: "tgi",
      revision: null,
      route: "/generate_stream",
      info: {},
    },
    client: { host: "h", cpu: "c", cores: 2, governor: null, node: "v20", platform: "linux", threads: 1 },
    prompts: {
      source: "synthetic",
      seed: 1,
      count: 10,
      nonce: true,
      shared_prefix: 0,
      max_tokens: 100,
      ignore_eos: false,
      generation: { temperature: 0.5 },
    },
    slo: null,
    stages,
    sweep: null,
    headlines: [],
    ...change,
  });
}

const base = benchOf([stageOf(100)]);

void test("two runs of one load on different servers and machines may be compared", () => {
  const other = benchOf([stageOf(95)], {
    id: "b",
    endpoint: { ...base.endpoint, url: "http://127.0.0.1:2", server: "vllm", model: "other", revision: "main" },
    client: { ...base.client, host: "g", cores: 64 },
  });
  assert.deepEqual(whyNotComparable(base, other), []);
});

void test("each thing that was asked otherwise is a sentence", () => {
  const prompts = {
    source: "dataset",
    seed: 2,
    nonce: false,
    shared_prefix: 0.5,
    max_tokens: 99,
    ignore_eos: true,
    generation: { temperature: 1 },
  };
  for (const [name, value] of Object.entries(prompts)) {
    const other = { ...base, prompts: { ...base.prompts, [name]: value } };
    const reasons = whyNotComparable(base, other);
    assert.equal(reasons.length, 1, name);
    assert.match(reasons[0]!, /^The prompts' .* in one and .* in the other\.$/);
  }
  const route = { ...base, endpoint: { ...base.endpoint, route: "/v1/chat/completions" } };
  assert.deepEqual(whyNotComparable(base, route), [
    'The route is "/generate_stream" in one and "/v1/chat/completions" in the other.',
  ]);
});

void test("generation parameters are the same in any order", () => {
  const [left, right] = [
    { temperature: 1, top_p: 0.9 },
    { top_p: 0.9, temperature: 1 },
  ].map((generation) => ({
    ...base,
    prompts: { ...base.prompts, generation },
  }));
  assert.deepEqual(whyNotComparable(left!, right!), []);
});

void test("answers whose mean lengths are more than a tenth apart are not compared", () => {
  assert.deepEqual(whyNotComparable(base, benchOf([stageOf(90)])), []);
  const reasons = whyNotComparable(base, benchOf([stageOf(89)]));
  assert.deepEqual(reasons, [
    "In the stage 10 req/s the mean answer has 100.0 tokens in one and 89.0 in the other, more than 10 % apart.",
  ]);
  assert.equal(whyNotComparable(benchOf([stageOf(89)]), base).length, 1);
});

void test("other loads are not compared", () => {
  assert.match(whyNotComparable(base, benchOf([stageOf(100, { rate: 11 })]))[0]!, /rate is/);
  assert.match(
    whyNotComparable(base, benchOf([stageOf(100, { warm_up_seconds: 1 })]))[0]!,
    /warm-up is 0 in one and 1/,
  );
  assert.match(whyNotComparable(base, benchOf([stageOf(100), stageOf(100)]))[0]!, /number of stages/);
  assert.match(whyNotComparable(base, { ...base, profile: "sweep" })[0]!, /load profile/);
  assert.deepEqual(whyNotComparable(base, benchOf([stageOf(100, { seed: 2 })])), [], "a constant rate draws nothing");
  const poisson = (seed: number) => benchOf([stageOf(100, { kind: "poisson", seed })]);
  assert.match(whyNotComparable(poisson(1), poisson(2))[0]!, /seed is 1 in one and 2/);
});

void test("sweeps may differ in the rates they found, and not in how they looked", () => {
  const swept = (rate: number, concurrency: number, seconds = 10) =>
    benchOf(
      [
        stageOf(100, { kind: "closed", rate: null, concurrency: 1, seconds }),
        stageOf(100, { kind: "closed", rate: null, concurrency, seconds }),
        stageOf(100, { rate, seconds }),
      ],
      { profile: "sweep" },
    );
  assert.deepEqual(whyNotComparable(swept(3, 64), swept(5, 64)), []);
  assert.match(whyNotComparable(swept(3, 64), swept(3, 32))[0]!, /full load's concurrency is 64 in one and 32/);
  assert.match(whyNotComparable(swept(3, 64), swept(3, 64, 20))[0]!, /stages' seconds is 10 in one and 20/);
});

void test("token counts of different sources are not compared", () => {
  const stage = stageOf(100);
  const counted = { ...stage, counts: { ...stage.counts, token_sources: { events: 1 } } };
  assert.deepEqual(whyNotComparable(base, benchOf([counted])), [
    'The source of the token counts is "usage" in one and "events" in the other.',
  ]);
});
