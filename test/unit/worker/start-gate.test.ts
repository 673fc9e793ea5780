import assert from "node:assert/strict";
import { test } from "node:test";
import { StartGate } from "../../../worker/start-gate.ts";
import { seededRandom } from "../../support/seeded-random.ts";

/** Slots whose calls take about `answerMs`, and rows that are about `onWayMs` on their way there: a millisecond a turn. */
function simulate({ capacity, onWayMs, answerMs }: { capacity: number; onWayMs: number; answerMs: number }) {
  const random = seededRandom(1);
  const about = (ms: number): number => Math.max(1, Math.round(ms * (0.5 + random())));
  const slots = { waiting: 0, inUse: 0, capacity, answerMs: null as number | null };
  let now = 0;
  const gate = new StartGate(slots, 1, () => now);
  const due = new Map<number, (() => void)[]>();
  const at = (ms: number, what: () => void): unknown => due.set(ms, [...(due.get(ms) ?? []), what]);
  const give = (): void => {
    for (; slots.waiting > 0 && slots.inUse < capacity; slots.waiting--, slots.inUse++)
      at(now + about(answerMs), answer);
  };
  const answer = (): void => {
    slots.answerMs = answerMs;
    slots.inUse -= 1;
    give();
  };
  let onWay = 0;
  let inUseMs = 0;
  let begunMost = 0;
  const settledMs = 5 * (onWayMs + answerMs);
  const endMs = 4 * settledMs;
  for (; now < endMs; now++) {
    for (const happens of due.get(now) ?? []) happens();
    while (gate.mayStart()) {
      const arrived = gate.start();
      onWay += 1;
      at(now + about(onWayMs), () => {
        arrived();
        onWay -= 1;
        slots.waiting += 1;
        give();
      });
    }
    if (now < settledMs) continue;
    inUseMs += slots.inUse;
    begunMost = Math.max(begunMost, onWay + slots.waiting);
  }
  return { inUse: inUseMs / capacity / (endMs - settledMs), begunMost };
}

for (const [capacity, onWayMs, answerMs] of [
  [8, 1, 100],
  [8, 100, 100],
  [64, 50, 400],
  [64, 300, 100],
  [512, 100, 1_000],
] as const) {
  void test(`${capacity} slots of ${answerMs} ms stay in use by rows that take ${onWayMs} ms to ask, and few more are begun`, () => {
    const { inUse, begunMost } = simulate({ capacity, onWayMs, answerMs });
    assert.ok(inUse > 0.95, `${inUse} in use`);
    const needed = (capacity * onWayMs) / answerMs;
    assert.ok(begunMost <= 1.5 * needed + Math.max(8, capacity / 4), `${begunMost} begun ahead, ${needed} needed`);
  });
}

void test("rows begin when answers and the way to them take no measurable time", () => {
  const gate = new StartGate({ waiting: 0, inUse: 0, capacity: 1, answerMs: 0 }, 1, () => 0);
  gate.start()();
  assert.ok(gate.mayStart());
});
