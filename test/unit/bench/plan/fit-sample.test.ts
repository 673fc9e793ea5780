import assert from "node:assert/strict";
import { test } from "node:test";
import { fitSample, type ServedCall } from "../../../../bench/plan/fit-sample.ts";
import { parseBatchOptions } from "../../../../bench/simulator/batching/batch-options.ts";
import { closedLoop } from "../../../support/virtual-bench.ts";

/** As a plan samples: a row alone, then the others together. */
function sampleOf(rows: number): readonly ServedCall[] {
  const line = { baseMs: 10, sequenceMs: 0.5 };
  const options = parseBatchOptions({ stepTime: { graphs: line, eager: line }, kvTokens: 1_000_000 });
  const calls = Array.from({ length: rows }, (_, index) => ({
    promptTokens: 50,
    outputTokens: 60 + ((index * 37) % 80),
    maxNewTokens: 512,
  }));
  const alone = closedLoop(options, calls.slice(0, 1), { slots: 1 });
  const together = closedLoop(options, calls.slice(1), { slots: rows - 1 });
  const served = (request: (typeof alone)[number], fromMs: number, row: number): ServedCall => ({
    row,
    tokens: request.call.outputTokens,
    startedAtMs: fromMs + request.sentMs,
    durationMs: request.endMs - request.sentMs,
  });
  return [
    ...alone.map((request) => served(request, 0, 0)),
    ...together.map((request, index) => served(request, 100_000, index + 1)),
  ];
}

void test("step times are recovered from service times, alone and in company, to some per cent", () => {
  const belief = fitSample(sampleOf(20));
  const { stepMs } = belief.model(null);
  // 10 + 0.5 × batch; a call alone is served by 10.5 a token.
  assert.ok(Math.abs(stepMs(1, false) / 10.5 - 1) < 0.08, String(stepMs(1, false)));
  assert.ok(Math.abs(stepMs(15, false) / 17.5 - 1) < 0.05, String(stepMs(15, false)));
  assert.ok(belief.knownUpTo > 15 && belief.knownUpTo <= 19, String(belief.knownUpTo));
});

void test("beyond the sample's company the time may go on as it did, or the endpoint may be full", () => {
  const belief = fitSample(sampleOf(20));
  const at = (uniform: number) =>
    belief.model({ uniform: () => uniform, normal: () => 0, rows: Array.from({ length: 20 }, (_, row) => row) });
  assert.ok(Math.abs(at(0.5).stepMs(64, false) / 42 - 1) < 0.08, String(at(0.5).stepMs(64, false)));
  const { knownUpTo } = belief;
  assert.equal(at(0).stepMs(64, false), at(0).stepMs(knownUpTo, false), "room for all");
  const full = (at(1).stepMs(knownUpTo, false) * 64) / knownUpTo;
  assert.ok(Math.abs(at(1).stepMs(64, false) / full - 1) < 1e-9);
});

void test("calls that never had company tell of no other, and a single one is enough", () => {
  const belief = fitSample([{ row: 0, tokens: 100, startedAtMs: 0, durationMs: 2_000 }]);
  assert.equal(belief.model(null).stepMs(1, false), 20);
  assert.equal(belief.knownUpTo, 1);
});
