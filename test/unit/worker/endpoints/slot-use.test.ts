import assert from "node:assert/strict";
import { test } from "node:test";
import { SlotUseMeter } from "../../../../worker/endpoints/slot-use.ts";

void test("slots are counted as they are taken, given back, and capped", () => {
  const meter = new SlotUseMeter(4, 0);
  meter.taken(0);
  meter.taken(100);
  meter.released(200);
  meter.resized(2, 300);
  assert.deepEqual([meter.inUse, meter.capacity], [1, 2]);
  assert.deepEqual(meter.read(400), { inUseMs: 100 + 200 + 100 + 100, capacityMs: 1_200 + 200 });
});

void test("the mean between two readings is the difference of the integrals", () => {
  const meter = new SlotUseMeter(4, 0);
  meter.taken(100);
  meter.taken(100);
  const from = meter.read(200);
  meter.taken(300);
  meter.taken(300);
  const to = meter.read(400);
  assert.deepEqual(from, { inUseMs: 200, capacityMs: 800 });
  assert.equal((to.inUseMs - from.inUseMs) / (to.capacityMs - from.capacityMs), 0.75);
});
