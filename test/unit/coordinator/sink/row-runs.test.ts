import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RunBuilder, rowIdsOf } from "../../../../coordinator/sink/row-runs.ts";

function build(rowIds: readonly number[]): RunBuilder {
  const builder = new RunBuilder();
  for (const rowId of rowIds) builder.add(rowId);
  return builder;
}

void test("consecutive rows with as many outputs each are one run", () => {
  assert.deepEqual(build([3, 4, 5]).finish(), [[3, 3, 1]]);
  assert.deepEqual(build([3, 3, 4, 4, 5, 7]).finish(), [
    [3, 2, 2],
    [5, 1, 1],
    [7, 1, 1],
  ]);
  assert.deepEqual(build([]).finish(), []);
});

void test("runs give back the row id of every output row", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 30 })), (values) => {
      const rowIds = values.toSorted((a, b) => a - b);
      const builder = build(rowIds);
      assert.deepEqual([...rowIdsOf(builder.finish())], rowIds);
      assert.equal(builder.rows, rowIds.length);
      assert.equal(builder.rowIds, new Set(rowIds).size);
    }),
  );
});
