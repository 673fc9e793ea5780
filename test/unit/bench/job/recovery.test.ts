import assert from "node:assert/strict";
import { test } from "node:test";
import { inOrder, RecoveryTally, type FleetEvent } from "../../../../bench/job/recovery.ts";
import type { TraceEvent } from "../../../../bench/job/request-trace.ts";

const counts: number[] = [];

function began(worker: number, atMs: number, key: string): FleetEvent & { event: { kind: "began" } } {
  const number = (counts[worker] = (counts[worker] ?? -1) + 1);
  return { worker, event: { kind: "began", number, atMs, shape: 0, key, seed: "1" } };
}

function ended({ worker, event }: FleetEvent, atMs: number, status = 200): FleetEvent {
  return {
    worker,
    event: { kind: "ended", number: event.number, atMs, status, promptTokens: null, outputTokens: null },
  };
}

/** Two workers with two slots each; 0 dies at 100, 2 comes in its place at 160. */
function fleet({ replaced }: { readonly replaced: boolean }) {
  const tally = new RecoveryTally({ slots: 4, beganMs: 0, killed: { worker: 0, atMs: 100 } });
  const [a, b, c, d] = [began(0, 10, "a"), began(0, 10, "b"), began(1, 20, "c"), began(1, 20, "d")];
  const e = began(0, 60, "e");
  const events = [a, b, c, d, ended(a, 60), e, ended(c, 90), began(1, 90, "f")];
  if (replaced) events.push(began(2, 160, "g"), began(2, 170, "h"));
  // The lease of the dead has run out: what it had not committed is sent again, answered or not.
  events.push(ended(d, 300), began(1, 300, "b"), began(1, 310, "a"), began(1, 320, "e"), began(1, 330, "z"));
  for (const event of events) tally.add(event);
  return tally.finish(400);
}

void test("recovery is from the kill until in flight is back where it was", () => {
  const found = fleet({ replaced: true });
  assert.equal(found.inFlightBefore, 4, "from the ramp's end on");
  assert.equal(found.inFlightLowest, 2);
  assert.equal(found.recoveryMs, 70, "the second request of the new worker");
});

void test("what died with the worker was cut, and what another sends again is paid twice", () => {
  const found = fleet({ replaced: true });
  assert.equal(found.cut, 2, "b and e");
  assert.equal(found.sentAgain, 3, "a was answered, and not committed");
  assert.equal(found.sentAgainMs, 220);
});

void test("without another worker in its place in flight does not come back", () => {
  const tally = new RecoveryTally({ slots: 4, beganMs: 0, killed: { worker: 0, atMs: 100 } });
  const events = [began(0, 0, "a"), began(0, 0, "b"), began(1, 0, "c"), began(1, 0, "d")];
  for (const event of events) tally.add(event);
  const found = tally.finish(400);
  assert.equal(found.recoveryMs, null);
  assert.equal(found.inFlightLowest, 2);
  assert.deepEqual([found.cut, found.sentAgain, found.sentAgainMs], [2, 0, null]);
});

void test("what two others sent again is paid three times, and counts twice", () => {
  const tally = new RecoveryTally({ slots: 2, beganMs: 0, killed: { worker: 0, atMs: 100 } });
  for (const event of [began(0, 0, "a"), began(1, 200, "a"), began(2, 210, "a")]) tally.add(event);
  const found = tally.finish(300);
  assert.deepEqual([found.sentAgain, found.sentAgainMs], [2, 110]);
});

void test("what the dead had been refused was not paid for, and is no loss", () => {
  const tally = new RecoveryTally({ slots: 2, beganMs: 0, killed: { worker: 0, atMs: 100 } });
  const refused = began(0, 0, "a");
  for (const event of [refused, ended(refused, 10, 429), began(1, 200, "a")]) tally.add(event);
  assert.equal(tally.finish(300).sentAgain, 0);
});

void test("traces of several processes are merged in the order of time", async () => {
  async function* trace(...times: number[]): AsyncGenerator<TraceEvent> {
    for (const atMs of times) yield { kind: "began", number: 0, atMs, shape: 0, key: "k", seed: null };
  }
  const merged: string[] = [];
  for await (const { worker, event } of inOrder([trace(1, 5, 6), trace(), trace(2, 3, 9)]))
    merged.push(`${worker}@${event.atMs}`);
  assert.deepEqual(merged, ["0@1", "2@2", "2@3", "0@5", "0@6", "2@9"]);
});
