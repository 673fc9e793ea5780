import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobBenchRun, Recovery } from "../../../../bench/job/job-bench-report.ts";
import { figuresOf, notesOf, notesOfRecovery, scalingOf, spread, wasteOf } from "../../../../bench/job/job-figures.ts";
import { plannedRuns, rowsFor, trialRows } from "../../../../bench/job/plan-runs.ts";
import { jobBenchRun } from "../../../support/job-bench-report.ts";

function pair(number: number, rates: { job: number; bare: number; one?: number }): JobBenchRun[] {
  const runs = [
    jobBenchRun({ kind: "bare", pair: number, answers_s: rates.bare, rows: null, rows_s: null }),
    jobBenchRun({ pair: number, answers_s: rates.job, rows_s: rates.job }),
  ];
  if (rates.one === undefined) return runs;
  return [...runs, jobBenchRun({ kind: "job-one-endpoint", pair: number, slots: 32, rows_s: rates.one })];
}

void test("a spread is the median with the least and the most of what is known", () => {
  assert.deepEqual(spread([3, null, 1, 2]), { median: 2, min: 1, max: 3, n: 3 });
  assert.deepEqual(spread([4, 1]), { median: 2.5, min: 1, max: 4, n: 2 });
  assert.equal(spread([null]), null);
});

void test("waste is what was generated and is in no accepted row", () => {
  assert.equal(wasteOf(200, 150), 0.25);
  assert.equal(wasteOf(200, 0), 1);
  assert.equal(wasteOf(200, null), null);
  assert.equal(wasteOf(0, 0), null);
});

void test("overhead is held against the bare loop of the same pair, and the first job is in none", () => {
  const first = jobBenchRun({ pair: 0, answers_s: 1, rows_s: 1 });
  // The machine is twice as fast in the second pair: only pairs can be compared.
  const runs = [
    first,
    ...pair(1, { job: 90, bare: 100 }),
    ...pair(2, { job: 190, bare: 200 }),
    ...pair(3, { job: 40, bare: 50 }),
  ];
  const { engine_overhead, rows_s_accepted } = figuresOf(runs);
  assert.ok(Math.abs(engine_overhead!.median - 0.1) < 1e-9);
  assert.ok(Math.abs(engine_overhead!.min - 0.05) < 1e-9);
  assert.ok(Math.abs(engine_overhead!.max - 0.2) < 1e-9);
  assert.deepEqual(rows_s_accepted, { median: 90, min: 40, max: 190, n: 3 });
});

void test("scaling compares all endpoints with one by the slots that there are", () => {
  const scaling = scalingOf(
    [...pair(1, { job: 190, bare: 1, one: 100 }), ...pair(2, { job: 100, bare: 1, one: 100 })],
    2,
  );
  assert.equal(scaling?.ratio, 2);
  assert.deepEqual(scaling.scaling_efficiency, { median: 0.725, min: 0.5, max: 0.95, n: 2 });
  assert.equal(scalingOf(pair(1, { job: 1, bare: 1 }), 2), null);
});

void test("notes say what limits the figures, and nothing where nothing does", () => {
  assert.deepEqual(notesOf(pair(1, { job: 1, bare: 1 })), []);
  const troubled = [
    jobBenchRun({ pair: 1, ramp_ms: null, errors: 3, answers_without_tokens: 2, output_tokens: 20_000 }),
    jobBenchRun({ kind: "bare", pair: 1, requests: 110, answers: 100, rows: null, prefix_cache_hit_rate: 0.5 }),
  ];
  const notes = notesOf(troubled).join("\n");
  for (const said of [/never in flight/, /10 had no answer/, /2 answers/, /3 requests/, /mean length/, /prefix cache/])
    assert.match(notes, said);
});

void test("a recovery in which nobody had rows left is noted, as is a job that was over first", () => {
  const recovery: Recovery = {
    workers: 2,
    replaced: true,
    shard_rows: 10,
    slots: 32,
    rows: { accepted: 100, failed: 0 },
    wall_ms: 60_000,
    killed_at_ms: 10_000,
    in_flight_before: 32,
    in_flight_lowest: 15,
    recovery_ms: 1_500,
    requests_cut: 16,
    requests_sent_again: 20,
    sent_again_ms: 30_000,
    timeline: { step_ms: 1_000, in_flight: [] },
  };
  assert.deepEqual(notesOfRecovery(recovery), []);
  assert.match(notesOfRecovery({ ...recovery, in_flight_lowest: 3 }).join(), /ran out of rows/);
  assert.match(notesOfRecovery(null).join(), /over before/);
});

void test("runs turn their order from pair to pair, after one that warms the server's caches", () => {
  const order = plannedRuns({ repeats: 3, scale: false }).map(({ kind, pair: number }) => `${kind} ${number}`);
  assert.deepEqual(order, ["job 0", "bare 1", "job 1", "job 2", "bare 2", "bare 3", "job 3"]);
  const scaled = plannedRuns({ repeats: 2, scale: true }).map(({ kind }) => kind);
  assert.deepEqual(scaled, ["job", "bare", "job", "job-one-endpoint", "job-one-endpoint", "job", "bare"]);
});

void test("the number of rows is what full slots answer in the time asked for", () => {
  // 64 slots, 2 s an answer: 32 a second.
  const trial = { slots: 64, rows: 256, answers: 256, answerMs: 2_000 };
  assert.equal(rowsFor(60, trial), 1_920);
  assert.equal(rowsFor(60, { ...trial, answers: 512 }), 960, "two calls a row");
  assert.equal(rowsFor(1, trial), 256, "never less than four rounds");
  assert.equal(rowsFor(60, { ...trial, answers: 0 }), 256);
  assert.equal(rowsFor(60, { ...trial, answerMs: null }), 256);
  assert.equal(trialRows(64), 256);
});
