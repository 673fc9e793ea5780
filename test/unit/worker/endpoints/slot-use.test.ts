import assert from "node:assert/strict";
import { test } from "node:test";
import { SlotUseMeter } from "../../../../worker/endpoints/slot-use.ts";

void test("the mean between two readings is the difference of the integrals", () => {
  const meter = new SlotUseMeter(4, 0);
  meter.change(2, 4, 100);
  const from = meter.read(200);
  meter.change(4, 4, 300);
  const to = meter.read(400);
  assert.deepEqual(from, { inUseMs: 200, capacityMs: 800 });
  assert.equal((to.inUseMs - from.inUseMs) / (to.capacityMs - from.capacityMs), 0.75);
});
