import assert from "node:assert/strict";
import { test } from "node:test";
import type { BenchReport } from "../../../../bench/report/bench-report.ts";
import { compareReports } from "../../../../bench/report/compare-reports.ts";
import type { ComparedFigure } from "../../../../bench/report/compare-reports.ts";
import { liesBeyond, spreadOfQuantile, spreadOfRate, spreadOfShare } from "../../../../bench/report/spread.ts";
import { isTidingError } from "../../../../shared/errors.ts";
import { seededRandom } from "../../../support/seeded-random.ts";
import { benchReport, distributionOf, stageReport, sweepReport } from "../../../support/bench-reports.ts";

function figureOf(a: BenchReport, b: BenchReport, name: string, stage = 0): ComparedFigure {
  const found = compareReports(a, b).stages[stage]?.figures.find(({ figure }) => figure === name);
  assert.ok(found !== undefined);
  return found;
}

function oneStage(ttftMs: number, reqS: number, seed = 7): BenchReport {
  return benchReport({
    stages: [stageReport({ name: "concurrency 32", kind: "closed", value: 32, reqS, ttftMs, itlMs: 11, seed })],
  });
}

void test("a change is told in percent of the first, and which run is better", () => {
  const [slow, fast] = [oneStage(120, 10), oneStage(60, 18)];
  const ttft = figureOf(slow, fast, "TTFT p50");
  assert.ok(Math.abs((ttft.change ?? 0) + 0.5) < 0.08, String(ttft.change));
  assert.equal(ttft.better, "b");
  assert.equal(ttft.beyond_spread, true);
  const requests = figureOf(slow, fast, "requests");
  assert.ok(Math.abs((requests.change ?? 0) - 0.8) < 1e-9);
  assert.equal(requests.better, "b");
});

void test("two runs of the same thing lie within the spread", () => {
  const [one, other] = [oneStage(80, 15, 1), oneStage(80, 15, 2)];
  for (const name of ["requests", "output tokens", "TTFT p50", "TTFT p90", "ITL p50", "E2E p50", "failed"]) {
    assert.equal(figureOf(one, other, name).beyond_spread, false, name);
  }
});

void test("unlike runs are refused with every reason", () => {
  const a = benchReport();
  const b = benchReport({ prompts: { ...a.prompts, max_tokens: 600, nonce: false } });
  assert.throws(
    () => compareReports(a, b),
    (error) => isTidingError(error) && error.code === "USAGE" && /max_tokens is 120.*\n.*|nonce/.test(error.message),
  );
});

void test("of two sweeps the rates found are compared, and the stages that both have", () => {
  const a = sweepReport();
  const b = sweepReport();
  const other: BenchReport = {
    ...b,
    sweep: { ...b.sweep!, knee_req_s: 27 },
    stages: b.stages.map((stage) => (stage.name === "24 req/s" ? { ...stage, name: "27 req/s" } : stage)),
  };
  const comparison = compareReports(a, other);
  const knee = comparison.sweep.find(({ figure }) => figure === "knee");
  assert.equal(knee?.change, 0.5);
  assert.equal(knee?.beyond_spread, null);
  assert.deepEqual([comparison.only_a, comparison.only_b], [["24 req/s"], ["27 req/s"]]);
  assert.equal(comparison.stages.length, 9);
});

void test("a percentile's interval holds the true one about as often as it promises", () => {
  const random = seededRandom(11);
  let held = 0;
  for (let run = 0; run < 1_000; run++) {
    const sample = distributionOf(Array.from({ length: 200 }, () => -100 * Math.log(1 - random())));
    const [low, high] = spreadOfQuantile(sample, "p50").bounds ?? [0, 0];
    const truth = 100 * Math.LN2;
    if (low <= truth && truth <= high) held++;
  }
  assert.ok(held >= 920 && held <= 980, `${held} of 1,000`);
});

void test("there is no interval where there are too few samples for one", () => {
  assert.equal(spreadOfQuantile(distributionOf([]), "p50").bounds, null);
  const few = { ...distributionOf(Array.from({ length: 30 }, (_, index) => index + 1)) };
  assert.equal(spreadOfQuantile(few, "p90").bounds, null);
  const [stage] = benchReport().stages;
  assert.equal(spreadOfRate({ ...stage!, timeline: stage!.timeline.slice(0, 12) }, 1, () => 1).bounds, null);
  assert.equal(liesBeyond({ value: 1, bounds: null }, { value: 2, bounds: null }), null);
});

void test("a share of nothing has an interval too: that none of 50 failed does not prove that none fails", () => {
  const { bounds } = spreadOfShare(0, 50);
  assert.equal(bounds?.[0], 0);
  assert.ok((bounds?.[1] ?? 0) > 0.03);
});

void test("a steady rate has a narrow spread, and one that swings a wide one", () => {
  const [stage] = benchReport().stages;
  const width = (of: (second: number) => number): number => {
    const [low, high] = spreadOfRate(stage!, 10, ({ second }) => of(second)).bounds ?? [0, 0];
    return high - low;
  };
  assert.equal(
    width(() => 10),
    0,
  );
  assert.ok(width((second) => (second < 30 ? 5 : 15)) > 4);
});
