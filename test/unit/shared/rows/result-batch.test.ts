import assert from "node:assert/strict";
import { test } from "node:test";
import { ENGINE_COLUMNS, isReservedColumn } from "../../../../shared/rows/result-batch.ts";

void test("the engine's columns are reserved, and what merely looks like them is not", () => {
  for (const { name } of ENGINE_COLUMNS) assert.ok(isReservedColumn(name), name);
  assert.ok(isReservedColumn("tiding"));
  for (const name of ["tidings", "Tiding", "row_id", "my.tiding.row"]) assert.ok(!isReservedColumn(name), name);
});
