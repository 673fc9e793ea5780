import assert from "node:assert/strict";
import { test } from "node:test";
import { compareTool } from "../../../real/peers/comparison.ts";
import type { Observed } from "../../../real/peers/comparison.ts";
import type { Metric } from "../../../real/peers/bench-tool.ts";

/** Runs whose means wander by a per cent, as those of a quiet machine do. */
const WANDER = [1, 1.01, 0.99, 1.005, 0.995];

interface Made {
  readonly ttft?: number;
  readonly tpot?: number;
  readonly out_tok_s?: number;
  readonly beforeSocketMs?: number;
  /** The server's time is so many times as long. */
  readonly pace?: number;
}

function runs({ ttft = 100, tpot = 10, out_tok_s = 150, beforeSocketMs = 0, pace = 1 }: Made): readonly Observed[] {
  return WANDER.map((factor) => ({
    metrics: { ttft: ttft * factor, tpot: tpot * factor, out_tok_s: out_tok_s * factor },
    beforeSocketMs,
    requests: 40,
    promptTokens: 80,
    cachedTokens: 24,
    outputTokens: 48,
    events: 1_920,
    cpuSeconds: 10,
    seconds: 30,
    load: 1,
    server: { promptMs: 90 * pace, tokenMs: 9.9 * pace, requestMs: 560 * pace, tokens: 1_920 },
  }));
}

function compared(theirs: Made, metric: Metric) {
  const definitions = { ttft: "…", tpot: "…", out_tok_s: "…" };
  const all = compareTool({ definitions }, { ours: runs({}), theirs: runs(theirs) });
  assert.deepEqual(
    all.map((comparison) => comparison.metric),
    ["ttft", "tpot", "out_tok_s"],
  );
  return all.find((comparison) => comparison.metric === metric)!;
}

void test("what agrees as it stands needs no explanation", () => {
  const { verdict, explanation } = compared({ ttft: 100.5, beforeSocketMs: 3, pace: 1.2 }, "ttft");
  assert.deepEqual([verdict, explanation], ["agrees", null]);
});

void test("a clock that starts before the socket explains just as much as was measured of it", () => {
  const explained = compared({ ttft: 112, beforeSocketMs: 12 }, "ttft");
  assert.equal(explained.verdict, "agrees");
  assert.match(explained.explanation!, /starts 12\.00 ms before/);
  const unexplained = compared({ ttft: 112, beforeSocketMs: 3 }, "ttft");
  assert.deepEqual([unexplained.verdict, unexplained.explanation], ["differs", null]);
});

void test("the clock's start explains nothing of a time between tokens", () => {
  assert.equal(compared({ tpot: 22, beforeSocketMs: 12 }, "tpot").verdict, "differs");
});

void test("a server that was slower in a tool's runs, by its own clock, explains what follows from that", () => {
  const slower = { tpot: 12, out_tok_s: 125, pace: 1.2 };
  for (const metric of ["tpot", "out_tok_s"] as const) {
    const { verdict, explanation, theirs } = compared(slower, metric);
    assert.equal(verdict, "agrees");
    assert.match(explanation!, /by its own clock/);
    // As reported, not as adjusted.
    assert.equal(theirs[0], slower[metric]);
  }
  assert.equal(compared({ tpot: 12, pace: 1 }, "tpot").verdict, "differs");
  assert.equal(compared({ tpot: 10.5, pace: 1.2 }, "tpot").verdict, "differs");
});

void test("both together explain, and are both named", () => {
  const { verdict, explanation } = compared({ ttft: 132, beforeSocketMs: 12, pace: 1.2 }, "ttft");
  assert.equal(verdict, "agrees");
  assert.match(explanation!, /before the request is handed to the socket; by its own clock/);
});
