import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chooseLanding, type CompleteShard, type LandingRules } from "../../../../coordinator/sink/choose-landing.ts";

const rules: LandingRules = {
  partBytes: 100,
  partAgeMs: 60_000,
  nowMs: 1_000,
  everything: false,
  isLanded: () => false,
};

function shards(numbers: readonly number[], bytes = 10): CompleteShard[] {
  return numbers.map((shard) => ({ shard, bytes, completedAtMs: 0 }));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

void test("nothing is landed before a run of neighbours fills a part", () => {
  assert.deepEqual(chooseLanding(shards(range(0, 8)), rules), []);
  assert.deepEqual(chooseLanding(shards(range(0, 9)), rules), [range(0, 9)]);
});

void test("a straggler's shard holds back its own place only", () => {
  assert.deepEqual(chooseLanding(shards([0, 1, ...range(3, 13)]), rules), [range(3, 12)]);
});

void test("shards that pile up behind stragglers are landed with their gaps", () => {
  const everySecond = range(0, 20).map((shard) => 2 * shard);
  assert.deepEqual(chooseLanding(shards(everySecond), rules)[0], everySecond.slice(0, 10));
});

void test("what waited too long is landed, however little it is", () => {
  assert.deepEqual(chooseLanding(shards([4]), { ...rules, nowMs: 60_000 }), [[4]]);
});

void test("a late shard between landed ones gets a part of its own", () => {
  const isLanded = (shard: number) => shard > 3 && shard < 9;
  assert.deepEqual(chooseLanding(shards([3, 9, 10]), { ...rules, everything: true, isLanded }), [[3], [9, 10]]);
});

void test("every shard is landed once when everything is to be landed", () => {
  const complete = fc.uniqueArray(fc.nat({ max: 60 }));
  fc.assert(
    fc.property(complete, fc.array(fc.nat({ max: 60 })), (numbers, landedBefore) => {
      const isLanded = (shard: number) => landedBefore.includes(shard) && !numbers.includes(shard);
      const groups = chooseLanding(shards(numbers, 30), { ...rules, everything: true, isLanded });
      assert.deepEqual(
        groups.flat(),
        numbers.toSorted((a, b) => a - b),
      );
    }),
  );
});
