import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ShardRange } from "../../../../coordinator/output/manifest.ts";
import { addToRanges, countOfRanges, rangesHave } from "../../../../coordinator/output/shard-ranges.ts";

void test("ranges behave like a set of shards, ascending and never touching", () => {
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(fc.nat({ max: 80 }), { maxLength: 10 }), { maxLength: 12 }), (batches) => {
      let ranges: ShardRange[] = [];
      for (const batch of batches) ranges = addToRanges(ranges, batch);
      const shards = new Set(batches.flat());
      for (let shard = 0; shard <= 81; shard++)
        assert.equal(rangesHave(ranges, shard), shards.has(shard), `shard ${shard}`);
      assert.equal(countOfRanges(ranges), shards.size);
      for (const [index, [first]] of ranges.entries()) {
        const before = ranges[index - 1];
        if (before !== undefined) assert.ok(first > before[1] + 1);
      }
    }),
  );
});

void test("adding shards leaves the ranges that were given as they are", () => {
  const before: ShardRange[] = [[0, 1]];
  addToRanges(before, [2]);
  assert.deepEqual(before, [[0, 1]]);
});
