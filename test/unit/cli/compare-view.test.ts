import assert from "node:assert/strict";
import { test } from "node:test";
import { compareReports } from "../../../bench/report/compare-reports.ts";
import { renderComparison } from "../../../cli/compare-view.ts";
import type { Look } from "../../../cli/text.ts";
import { benchReport, stageReport, sweepReport } from "../../support/bench-reports.ts";

const look: Look = { width: 120, colour: false, unicode: true };

function oneStage(ttftMs: number, id: string) {
  const stage = stageReport({ name: "8 req/s", kind: "constant", value: 8, reqS: 8, ttftMs, itlMs: 10 });
  return benchReport({ id, profile: "constant", stages: [stage] });
}

void test("both runs are named, each figure has its change and whether it means anything", () => {
  const [a, b] = [oneStage(100, "aaa"), oneStage(50, "bbb")];
  const text = renderComparison(compareReports(a, b), { a, b }, look).join("\n");
  assert.match(text, /^A {2}org\/model-8b on tgi 3\.3\.7 at .* run aaa\nB {2}.* run bbb\n/);
  assert.match(text, /\n8 req\/s\n/);
  assert.match(text, /TTFT p50, ms +\d+\.\d +\d+\.\d +-\d+ % {2}B is better/);
  assert.match(text, /ITL p50, ms +[\d.]+ +[\d.]+ +0\.0 % {2}within the spread/);
  assert.match(text, /failed +0 % +0 % +– {2}within the spread/);
  assert.match(text, /Runs of another day differ by more/);
});

void test("what limits one of the two stands below, with its letter; of sweeps also what they found", () => {
  const [a, b] = [sweepReport(), sweepReport()];
  const text = renderComparison(compareReports(a, b), { a, b }, look).join("\n");
  assert.match(text, /\nsweep\n.*\n.*one at a time, req\/s/);
  assert.match(text, /A: At 21 req\/s and 24 req\/s[^]*B: At 21 req\/s/);
});
