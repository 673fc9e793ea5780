import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openings, schedule, sizeOfShare } from "../../../../bench/load/arrivals.ts";
import type { Arrivals } from "../../../../bench/load/stage-load.ts";

function load(
  arrivals: Arrivals,
  more: { seconds?: number; requests?: number; rampSeconds?: number; seed?: number } = {},
) {
  return { arrivals, seconds: null, requests: null, rampSeconds: 0, seed: 1, ...more };
}

void test("a constant rate is due at equal distances from the start on, and before the end", () => {
  const due = [...schedule(load({ kind: "constant", rate: 4 }, { seconds: 2 }))];
  assert.deepEqual(
    due.map(({ dueMs }) => dueMs),
    [0, 250, 500, 750, 1_000, 1_250, 1_500, 1_750],
  );
});

void test("the schedule is absolute: the millionth request is due when the rate says (sglang's and aiperf's sleeps added up their errors)", () => {
  let last = { index: -1, dueMs: -1 };
  for (const due of schedule(load({ kind: "constant", rate: 1_000 / 3 }, { requests: 1_000_000 }))) last = due;
  assert.equal(last.index, 999_999);
  assert.ok(Math.abs(last.dueMs - 999_999 * 3) < 1e-5, `${last.dueMs}`);
});

void test("Poisson gaps are exponential: their mean is the rate's, and as spread as it", () => {
  const due = [...schedule(load({ kind: "poisson", rate: 100 }, { requests: 20_000 }))].map(({ dueMs }) => dueMs);
  const gaps = due.map((dueMs, index) => dueMs - (due[index - 1] ?? 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
  assert.ok(Math.abs(mean - 10) < 0.3, `mean ${mean}`);
  assert.ok(Math.abs(deviation - 10) < 0.4, `deviation ${deviation}`);
  const above = gaps.filter((gap) => gap > 30).length / gaps.length;
  assert.ok(Math.abs(above - Math.exp(-3)) < 0.008, `${above} of the gaps are above three means`);
});

void test("the seed decides Poisson arrivals", () => {
  const due = (seed: number) => [...schedule(load({ kind: "poisson", rate: 50 }, { requests: 100, seed }))];
  assert.deepEqual(due(7), due(7));
  assert.notDeepEqual(due(7), due(8));
});

void test("shares are the one schedule, dealt out by index (guidellm's workers each drew the same gaps)", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("constant" as const, "poisson" as const),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 0, max: 200 }),
      (kind, of, requests) => {
        const one = load({ kind, rate: 40 }, { requests, rampSeconds: 1 });
        const parts = Array.from({ length: of }, (_, part) => [...schedule(one, { part, of })]);
        const together = parts.flat().toSorted((a, b) => a.index - b.index);
        assert.deepEqual(together, [...schedule(one)]);
      },
    ),
  );
});

void test("a ramp raises the rate from nothing to its value: half as many requests, the first gaps the longest", () => {
  const due = [...schedule(load({ kind: "constant", rate: 10 }, { seconds: 8, rampSeconds: 4 }))].map(
    ({ dueMs }) => dueMs,
  );
  // 20 in the ramp, 40 after it.
  assert.equal(due.filter((dueMs) => dueMs < 4_000).length, 20);
  assert.equal(due.length, 60);
  const gaps = due.slice(1).map((dueMs, index) => dueMs - due[index]!);
  assert.ok(gaps.every((gap, index) => index === 0 || gap <= gaps[index - 1]! + 1e-9));
  assert.ok(Math.abs(gaps.at(-1)! - 100) < 1e-9);
  // Half of a quarter of the ramp's rate a second into it: 10 · 1² / (2 · 4) requests by then.
  assert.equal(due.filter((dueMs) => dueMs < 1_000).length, 2);
});

void test("the places of a closed loop open one after another over the ramp, each in one share", () => {
  assert.deepEqual(openings(4, 0), [0, 0, 0, 0]);
  assert.deepEqual(openings(4, 2), [0, 500, 1_000, 1_500]);
  assert.deepEqual(
    [openings(5, 1, { part: 0, of: 2 }), openings(5, 1, { part: 1, of: 2 })],
    [
      [0, 400, 800],
      [200, 600],
    ],
  );
  for (const part of [0, 1, 2]) {
    assert.equal(sizeOfShare(8, { part, of: 3 }), openings(8, 0, { part, of: 3 }).length);
  }
});
