import assert from "node:assert/strict";
import { test } from "node:test";
import type { RowValues } from "../../../shared/rows/row-schema.ts";
import { failedRow, type OutputRow } from "../../../worker/row-run.ts";
import { sizeOfRows } from "../../../worker/size-of-rows.ts";

function rowOf(values: RowValues): OutputRow {
  return { ...failedRow({ rowId: 0, values }, { step: "s", error: new Error("none"), startedAtMs: 0 }), values };
}

void test("texts and bytes count at any depth, so that images are committed before they fill the memory", () => {
  const empty = sizeOfRows([rowOf({})]);
  const bytes = new Uint8Array(100_000);
  const cases: readonly unknown[] = ["x".repeat(100_000), bytes, { bytes, path: null }, [{ bytes, path: null }]];
  for (const image of cases) {
    const size = sizeOfRows([rowOf({ image })]) - empty;
    assert.ok(size >= 100_000 && size < 100_200, `${size}`);
  }
  assert.equal(sizeOfRows([rowOf({}), rowOf({})]), 2 * empty);
});
