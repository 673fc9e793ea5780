import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { renderProgress, renderProgressLine } from "../../../cli/progress-view.ts";
import { textWidth } from "../../../cli/text.ts";
import type { JobProgress } from "../../../shared/observe/job-report.ts";
import { callCounts, jobProgress } from "../../support/cli-world.ts";

const look = { width: 80, colour: false, unicode: true };
const count = fc.oneof(fc.nat(200), fc.nat(2_000_000_000));
const text = fc.string({ unit: "grapheme", maxLength: 120 });
const noRetries = callCounts().retries;

const anyProgress: fc.Arbitrary<JobProgress> = fc.record({
  state: fc.constantFrom("starting", "running", "waiting", "draining", "finishing", "finished", "stopped"),
  waitingFor: fc.option(text),
  rows: fc.record({ accepted: count, failed: count, total: fc.option(count) }),
  estimatedTotal: fc.option(count),
  rowsBefore: count,
  rowsRunning: count,
  calls: fc.record({
    requests: count,
    answers: count,
    retries: fc.record({
      "back-pressure": count,
      transient: count,
      "endpoint-down": count,
      row: count,
      job: count,
      usage: count,
      engine: count,
    }),
    cutByLength: count,
    inputTokens: count,
    outputTokens: count,
  }),
  endpoints: fc.array(
    fc.record({
      endpoint: fc.oneof(fc.webUrl(), text),
      slots: count,
      inUse: count,
      circuit: fc.constantFrom("closed", "open", "half-open"),
      reason: fc.option(text),
    }),
    { maxLength: 9 },
  ),
  elapsedMs: count,
  rowsPerSecond: fc.double({ min: 0, max: 1e6, noNaN: true }),
  inputTokensPerSecond: fc.double({ min: 0, max: 1e9, noNaN: true }),
  outputTokensPerSecond: fc.double({ min: 0, max: 1e9, noNaN: true }),
  etaMs: fc.option(count),
});

void test("no line is wider than the terminal, and none holds a line break", () => {
  fc.assert(
    fc.property(
      anyProgress,
      text,
      fc.record({ width: fc.integer({ min: 20, max: 200 }), colour: fc.boolean(), unicode: fc.boolean() }),
      (progress, name, anyLook) => {
        for (const line of renderProgress(name, progress, anyLook)) {
          const shown = stripVTControlCharacters(line);
          assert.ok(textWidth(shown) <= anyLook.width, `${textWidth(shown)} > ${anyLook.width}: ${shown}`);
          assert.doesNotMatch(shown, /\p{Cc}/u);
        }
      },
    ),
  );
});

void test("without colour there is no control character in any line", () => {
  fc.assert(
    fc.property(anyProgress, text, (progress, name) => {
      for (const line of renderProgress(name, progress, look)) assert.doesNotMatch(line, /\p{Cc}/u);
      assert.doesNotMatch(renderProgressLine(progress), /\p{Cc}/u);
    }),
  );
});

void test("a running job shows rows, tokens, slots, retries, cut answers and times", () => {
  const progress = jobProgress({
    rows: { accepted: 5_071, failed: 12, total: 12_500 },
    rowsBefore: 2_000,
    calls: callCounts({ retries: { ...noRetries, transient: 11, "back-pressure": 3 }, cutByLength: 1 }),
  });
  assert.deepEqual(renderProgress("gsm8k-answers", progress, { ...look, width: 100 }), [
    "gsm8k-answers  running",
    "━".repeat(21) + "─".repeat(32) + " 40.6%",
    "rows      5,083 of 12,500 · 62.1/s · 12 failed · 37 running · 2,000 from earlier runs",
    "tokens    in 2,000 (1,300/s) · out 5,000 (2,500/s)",
    "slots     37/64 127.0.0.1:8080",
    "retries   3 back-pressure · 11 transient",
    "cut       1 answer at the token limit",
    "time      1m 23s · about 2m 5s left",
  ]);
});

void test("a job that waits says what for, in full", () => {
  const waitingFor = "any endpoint, because the circuits of all of them are open and the next try is in 12 seconds";
  const lines = renderProgress("job", jobProgress({ state: "waiting", waitingFor }), { ...look, width: 60 });
  const shown = lines.filter((line) => /^(waiting| {10})/.test(line)).map((line) => line.slice(10));
  assert.equal(shown.join(" "), waitingFor);
});

void test("an open circuit shows its reason, and many endpoints show their sum and those that are down", () => {
  const endpoint = (index: number, down: boolean) => ({
    endpoint: `http://10.0.0.${index}:8080/`,
    slots: 64,
    inUse: 10,
    circuit: down ? ("open" as const) : ("closed" as const),
    reason: down ? "connection refused" : null,
  });
  const few = renderProgress("job", jobProgress({ endpoints: [endpoint(0, false), endpoint(1, true)] }), look);
  assert.ok(few.includes("slots     10/64 10.0.0.0:8080"));
  assert.ok(few.includes("          10/64 10.0.0.1:8080 · circuit open: connection refused"));
  const endpoints = Array.from({ length: 12 }, (_, index) => endpoint(index, index === 7));
  const many = renderProgress("job", jobProgress({ endpoints }), look);
  assert.ok(many.includes("slots     120/768 · 12 endpoints · 1 down"));
  assert.equal(many.filter((line) => line.includes("10.0.0.")).length, 1);
});

void test("while the input is not read to its end there is no percentage", () => {
  const lines = renderProgress("job", jobProgress({ rows: { accepted: 5, failed: 0, total: null } }), look);
  assert.equal(lines[1], "─".repeat(53));
  assert.ok(lines[2]?.startsWith("rows      5, total not known yet"));
});

void test("an estimated total is shown as one, and never as reached", () => {
  const rows = { accepted: 5_000, failed: 0, total: null };
  const shown = (estimatedTotal: number) => renderProgress("job", jobProgress({ rows, estimatedTotal }), look);
  assert.match(shown(10_000)[1] ?? "", / ~50\.0%$/);
  assert.ok(shown(10_000)[2]?.startsWith("rows      5,000 of about 10,000 · "));
  assert.match(shown(4_990)[1] ?? "", / ~99\.9%$/);
});

void test("the line for logs holds the same numbers", () => {
  assert.equal(
    renderProgressLine(jobProgress({ calls: callCounts({ retries: { ...noRetries, transient: 2 }, cutByLength: 4 }) })),
    "1m 23s running, rows 40 of 100 (40.0%), 0 failed, 62.1 rows/s, tokens/s 1,300 in 2,500 out, slots 37/64, " +
      "retries 2 transient, 4 answers cut, 2m 5s left",
  );
});

void test("colour marks failed rows in the bar", () => {
  const progress = jobProgress({ rows: { accepted: 50, failed: 1, total: 100 } });
  const bar = renderProgress("job", progress, { ...look, colour: true })[1];
  const done = ["\u001B[32m", "━".repeat(26), "\u001B[39m", "\u001B[31m", "━", "\u001B[39m"].join("");
  assert.ok(bar?.startsWith(done));
});
