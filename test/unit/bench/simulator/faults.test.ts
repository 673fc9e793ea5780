import assert from "node:assert/strict";
import { test } from "node:test";
import { drawFault, FAULT_KINDS } from "../../../../bench/simulator/faults.ts";
import type { FaultRates } from "../../../../bench/simulator/faults.ts";
import { hashText } from "../../../../bench/simulator/hash.ts";

const HASHES = Array.from({ length: 20_000 }, (_, index) => hashText(`prompt ${index}`));

void test("each kind of fault meets the share of requests asked for", () => {
  const rates: FaultRates = { "429": 0.1, reset: 0.05, hang: 0.01 };
  const found = new Map<string | null, number>();
  for (const hash of HASHES) {
    const kind = drawFault(hash, 1, { rates, seed: 0 });
    found.set(kind, (found.get(kind) ?? 0) + 1);
  }
  assert.deepEqual(new Set(found.keys()), new Set([null, "429", "reset", "hang"]));
  for (const kind of ["429", "reset", "hang"] as const) {
    const expected = rates[kind]! * HASHES.length;
    assert.ok(Math.abs(found.get(kind)! - expected) < 5 * Math.sqrt(expected), `${kind}: ${found.get(kind)}`);
  }
});

void test("a fault comes again for the same prompt, time and seed, and is drawn anew for another", () => {
  const options = { rates: { "500": 0.5 }, seed: 1 };
  const drawAll = (nth: number, seed: number) => HASHES.map((hash) => drawFault(hash, nth, { ...options, seed }));
  assert.deepEqual(drawAll(1, 1), drawAll(1, 1));
  for (const other of [drawAll(2, 1), drawAll(1, 2)]) {
    const alike = drawAll(1, 1).filter((kind, index) => kind === other[index]).length;
    assert.ok(Math.abs(alike - HASHES.length / 2) < 500); // Independent draws agree half the time.
  }
});

void test("a rate of 1 means every request, 0 means none", () => {
  for (const kind of FAULT_KINDS) {
    assert.ok(HASHES.every((hash) => drawFault(hash, 1, { rates: { [kind]: 1 }, seed: 0 }) === kind));
    assert.ok(HASHES.every((hash) => drawFault(hash, 1, { rates: { [kind]: 0 }, seed: 0 }) === null));
  }
});
