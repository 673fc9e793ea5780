import assert from "node:assert/strict";
import { test } from "node:test";
import { expandedP10, lineThrough, quantile, shareInterval, standardError } from "../../../../bench/plan/statistics.ts";

function isNear(actual: number, expected: number, within: number): void {
  assert.ok(Math.abs(actual - expected) <= within, `${actual} against ${expected}`);
}

void test("a quantile lies between the values that it falls between", () => {
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile([0, 10], 0.25), 2.5);
  assert.equal(quantile([7], 0.9), 7);
});

void test("the standard error of a mean is that of the textbook", () => {
  isNear(standardError([2, 4, 4, 4, 5, 5, 7, 9]), Math.sqrt(32 / 7 / 8), 1e-12);
  assert.equal(standardError([5]), 0);
});

void test("a line goes through points on it, and there is none where x does not vary", () => {
  const line = lineThrough([1, 2, 3, 5].map((x) => ({ x, y: 4 + 2 * x })));
  isNear(line?.at(10) ?? 0, 24, 1e-9);
  assert.equal(line?.t, Infinity);
  assert.equal(lineThrough([1, 2, 3].map((y) => ({ x: 7, y }))), null);
});

void test("the slope's t is that of the textbook", () => {
  // R: summary(lm(c(1, 3, 2, 5, 4) ~ c(1, 2, 3, 4, 5))) has a slope of 0.8 with t 2.309.
  isNear(lineThrough([1, 3, 2, 5, 4].map((y, index) => ({ x: index + 1, y })))?.t ?? 0, 2.309, 5e-4);
});

void test("resampled means are read further out the fewer values there are, and hardly so with many", () => {
  // Φ(−√(20/19) · t₀.₉₀,₁₉), with t₀.₉₀,₁₉ = 1.3277.
  isNear(expandedP10(20), 0.0866, 5e-4);
  isNear(expandedP10(10_000), 0.1, 1e-4);
  assert.equal(expandedP10(2), 0);
});

void test("the interval of a share is Wilson's", () => {
  // Of 20 none: up to z²/(n + z²).
  const none = shareInterval(0, 20);
  assert.equal(none.low, 0);
  isNear(none.high, 1.6424 / 21.6424, 1e-4);
  const half = shareInterval(10, 20);
  isNear(half.low + half.high, 1, 1e-12);
});
