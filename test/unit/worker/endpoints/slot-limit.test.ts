import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  cappedLimit,
  fullLimit,
  limitAfterAnswer,
  limitAfterBackPressure,
} from "../../../../worker/endpoints/slot-limit.ts";

const event = fc.record({
  kind: fc.constantFrom("answer", "refusal"),
  afterMs: fc.nat(2_000),
  flightMs: fc.nat(5_000),
  inUse: fc.integer({ min: 1, max: 200 }),
});

void test("the limit stays between one and the slots, and falls at most once a second", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 128 }), fc.array(event, { maxLength: 200 }), (slots, events) => {
      let limit = fullLimit(slots);
      let nowMs = 10_000;
      let lastCutMs = Number.NEGATIVE_INFINITY;
      for (const { kind, afterMs, flightMs, inUse } of events) {
        nowMs += afterMs;
        const before = limit.current;
        limit =
          kind === "answer"
            ? limitAfterAnswer(limit)
            : limitAfterBackPressure(limit, { inUse, sentAtMs: nowMs - flightMs, nowMs });
        assert.ok(limit.current >= 1 && limit.current <= slots);
        if (limit.current >= before) continue;
        assert.ok(nowMs - lastCutMs >= 1_000);
        lastCutMs = nowMs;
      }
    }),
  );
});

void test("a burst of refusals halves what was in flight, once", () => {
  let limit = fullLimit(64);
  for (let refused = 0; refused < 30; refused++) {
    limit = limitAfterBackPressure(limit, { inUse: 64 - refused, sentAtMs: 0, nowMs: 100 + refused * 100 });
  }
  assert.equal(limit.current, 32);
});

void test("answers restore the limit in about eight rounds, and no further than the slots", () => {
  let limit = limitAfterBackPressure(fullLimit(64), { inUse: 2, sentAtMs: 1, nowMs: 2 });
  assert.equal(limit.current, 1);
  let rounds = 0;
  for (; limit.current < 64; rounds++) {
    for (let answers = Math.floor(limit.current); answers > 0; answers--) limit = limitAfterAnswer(limit);
  }
  assert.ok(rounds >= 6 && rounds <= 14, `${rounds} rounds`);
  assert.equal(limit.current, 64);
});

void test("a cap lowers slots and limit, and never raises them", () => {
  assert.deepEqual(cappedLimit(fullLimit(64), 10), { ...fullLimit(10) });
  assert.deepEqual(cappedLimit(fullLimit(8), 10), fullLimit(8));
});
