import assert from "node:assert/strict";
import { test } from "node:test";
import { FixedEngine } from "../../../../../bench/simulator/batching/fixed-engine.ts";
import { runVirtually, stepsOf, tokenTimes } from "./virtual-run.ts";
import type { TimedRequest } from "./virtual-run.ts";

const TRUTH = { fixedTtftMs: 50, stepMs: 10, maxBatch: 3, maxConcurrentRequests: 0 };

function request(id: number, atMs: number, outputTokens = 5): TimedRequest {
  return { id, atMs, promptTokens: 7, maxNewTokens: 100, outputTokens };
}

function assertTimes(found: readonly number[] | undefined, expected: readonly number[]): void {
  assert.ok(found !== undefined && found.length === expected.length);
  for (const [index, time] of expected.entries()) assert.ok(Math.abs(found[index]! - time) < 1e-5, `${found[index]}`);
}

void test("each request has its first token and its steps on its own schedule", () => {
  const arrivals = [0, 3.3, 61.7];
  const times = tokenTimes(
    stepsOf(
      new FixedEngine(TRUTH),
      arrivals.map((atMs, id) => request(id, atMs)),
    ),
  );
  for (const [id, atMs] of arrivals.entries()) {
    assertTimes(
      times.get(id),
      [50, 60, 70, 80, 90].map((after) => atMs + after),
    );
  }
});

void test("who finds no place waits for the first that is free, and its wait is told", () => {
  const steps = stepsOf(
    new FixedEngine(TRUTH),
    [0, 1, 2, 3, 4].map((atMs, id) => request(id, atMs)),
  );
  const times = tokenTimes(steps);
  assert.ok(Math.abs(times.get(3)![0]! - (90 + 50)) < 1e-5);
  assert.ok(Math.abs(times.get(4)![0]! - (91 + 50)) < 1e-5);
  const waits = steps.flatMap(({ admitted }) => admitted.map(({ queuedMs }) => Math.round(queuedMs)));
  assert.deepEqual(waits, [0, 0, 0, 87, 87]);
});

void test("a request that came while a step was seen late has its place from when it came, not from when that was due", () => {
  const engine = new FixedEngine({ ...TRUTH, maxBatch: 1 });
  engine.submit(request(1, 0, 2), 0);
  assert.equal(engine.startStep(0)!.durationMs, 50);
  assert.equal(engine.startStep(50)!.durationMs, 10);
  // The place was free at 60, and the clock had come to 64 when that was seen.
  engine.submit(request(2, 63), 63);
  const step = engine.startStep(60)!;
  assert.deepEqual(
    step.admitted.map(({ id, queuedMs }) => [id, queuedMs]),
    [[2, 0]],
  );
  let endMs = 60 + step.durationMs;
  for (let { emitted } = step; emitted.length === 0;) {
    const next = engine.startStep(endMs)!;
    endMs += next.durationMs;
    ({ emitted } = next);
  }
  assert.equal(endMs, 63 + TRUTH.fixedTtftMs);
});

void test("under overload it gives exactly its capacity", () => {
  // 90 ms an answer, three places: 33.3 answers a second of the 100 asked for.
  const requests = Array.from({ length: 1_000 }, (_, id) => request(id, id * 10));
  let ended = 0;
  const count = (step: { emitted: readonly { ended: boolean }[] }): void => {
    ended += step.emitted.filter((emission) => emission.ended).length;
  };
  runVirtually(new FixedEngine(TRUTH), requests, count, 9_000);
  assert.ok(Math.abs(ended - 3 * (9_000 / 90)) <= 3, `${ended}`);
});

void test("places of clients that leave are free at once, and more than the concurrent requests are refused", () => {
  const engine = new FixedEngine({ ...TRUTH, maxBatch: 1, maxConcurrentRequests: 2 });
  assert.equal(engine.submit(request(1, 0), 0), true);
  assert.equal(engine.submit(request(2, 0), 0), true);
  assert.equal(engine.submit(request(3, 0), 0), false);
  assert.equal(engine.startStep(0)!.sequences, 1);
  assert.deepEqual([engine.gauges().running, engine.gauges().queued], [1, 1]);
  engine.cancel(1);
  assert.deepEqual(
    engine.startStep(50)!.admitted.map(({ id }) => id),
    [2],
  );
  assert.deepEqual(engine.failBatch(), [2]);
  assert.equal(engine.startStep(60), null);
});
