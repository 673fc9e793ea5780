import assert from "node:assert/strict";
import { test } from "node:test";
import { stepCurve } from "../../../../bench/plan/step-curve.ts";

const straight = { beyond: 0, bend: 0 };
const points = [
  { batch: 1, ms: 10 },
  { batch: 11, ms: 20 },
  { batch: 21, ms: 22 },
];

void test("between measured points the curve is straight, below the first it is flat", () => {
  const at = stepCurve(points, straight);
  assert.deepEqual([0.5, 1, 6, 11, 16, 21].map(at), [10, 10, 15, 20, 21, 22]);
});

void test("beyond the last point it goes on as before, or grows with the batch, or lies between", () => {
  assert.equal(stepCurve(points, straight)(31), 24);
  assert.equal(stepCurve(points, { beyond: 1, bend: 0 })(42), 44, "twice the batch in twice the time");
  const halfWay = stepCurve(points, { beyond: 0.5, bend: 0 })(42);
  assert.ok(Math.abs(halfWay - (26.2 + 44) / 2) < 1e-9, String(halfWay));
  assert.equal(stepCurve(points, { beyond: -1, bend: 0 })(42), 22, "no longer at all");
});

void test("of a single point nothing but its time is known", () => {
  assert.equal(stepCurve([{ batch: 8, ms: 12 }], straight)(100), 12);
  assert.equal(stepCurve([{ batch: 8, ms: 12 }], { beyond: 1, bend: 0 })(16), 24);
});

void test("a larger batch that was measured to be quicker is noise, and is averaged", () => {
  const measured = [
    { batch: 10, ms: 12 },
    { batch: 1, ms: 10 },
    { batch: 20, ms: 11 },
    { batch: 25, ms: 13 },
    { batch: 40, ms: 30 },
  ];
  assert.deepEqual([1, 10, 20, 25, 40].map(stepCurve(measured, straight)), [10, 11.5, 11.5, 13, 30]);
});

void test("a doubt about the way between two points bends it, and leaves the points where they are", () => {
  const steep = stepCurve(points, { beyond: 0, bend: 1 });
  assert.deepEqual([1, 11, 21].map(steep), [10, 20, 22]);
  assert.ok(Math.abs(steep(6) - 16.5) < 1e-9, "by 15 % of the way");
  const most = stepCurve(points, { beyond: 0, bend: 100 });
  assert.equal(most(6), 20, "never beyond the next point");
});
