import assert from "node:assert/strict";
import { test } from "node:test";
import { drawSample } from "../../../../bench/plan/draw-sample.ts";
import type { DrawnRow } from "../../../../bench/plan/input-survey.ts";
import { seededRandom } from "../../../../bench/plan/seeded-random.ts";

function drawn(count: number): DrawnRow[] {
  return Array.from({ length: count }, (_, rowId) => ({
    rowId,
    offset: { file: 0, at: rowId, skip: 0 },
    textBytes: (rowId * 7_919) % count,
  }));
}

void test("a sample has one row of each layer of lengths, and begins with a middling one", () => {
  const sample = drawSample(drawn(1_000), 20, seededRandom(1));
  const layers = sample.map(({ textBytes }) => Math.floor(textBytes / 50));
  assert.deepEqual(
    layers.toSorted((a, b) => a - b),
    Array.from({ length: 20 }, (_, layer) => layer),
  );
  assert.equal(layers[0], 10);
});

void test("the seed decides which rows are drawn, and the first rows are nothing special", () => {
  const ids = (seed: number) => drawSample(drawn(1_000), 20, seededRandom(seed)).map(({ rowId }) => rowId);
  assert.deepEqual(ids(1), ids(1));
  assert.notDeepEqual(ids(1), ids(2));
  const all = Array.from({ length: 100 }, (_, seed) => ids(seed)).flat();
  const mean = all.reduce((sum, id) => sum + id, 0) / all.length;
  assert.ok(Math.abs(mean - 500) < 30, String(mean));
});

void test("of fewer rows all are drawn, once each", () => {
  const ids = drawSample(drawn(7), 20, seededRandom(1)).map(({ rowId }) => rowId);
  assert.deepEqual(
    ids.toSorted((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6],
  );
  assert.deepEqual(drawSample([], 20, seededRandom(1)), []);
});
