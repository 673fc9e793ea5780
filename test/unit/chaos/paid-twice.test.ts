/** The checker is checked: what a fault explains is charged to it, and what none explains stays unexplained. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestLogEntry } from "../../../bench/simulator/request-log.ts";
import { Bitmap } from "../../../shared/rows/bitmap.ts";
import { countPaidTwice, type Disturbances } from "../../chaos/paid-twice.ts";
import type { Ownership } from "../../chaos/shard-history.ts";

function request(row: number, outcome = "ok"): RequestLogEntry {
  const common = { startMs: 0, endMs: 1, nth: 1, seed: 0, inFlight: 1, route: "chat", stream: false };
  return { ...common, key: String(row), status: 200, outcome };
}

function owned(
  worker: string,
  [fromMs, toMs]: readonly [number, number],
  done: readonly number[],
  how: "lost" | "released" = "lost",
): Ownership {
  const bitmap = new Bitmap(4);
  for (const position of done) bitmap.add(position);
  return {
    worker,
    openedAtMs: fromMs,
    done: bitmap,
    end: { atMs: toMs, how: done.length === 4 ? "closed" : how },
  };
}

function count(
  requests: readonly RequestLogEntry[],
  ownerships: readonly Ownership[],
  disturbances: Partial<Disturbances> = {},
) {
  return countPaidTwice(requests, {
    rowOf: (key) => (key === "?" ? undefined : Number(key)),
    shardRows: 4,
    ownershipsOf: () => ownerships,
    disturbances: { diedAtMs: () => undefined, sleeps: () => [], serverAway: [], ...disturbances },
  });
}

const twoOwners = [owned("one", [0, 10], [0]), owned("two", [10, 20], [0, 1, 2, 3])];

void test("one call a row is paid once", () => {
  const { calls, byCause } = count([request(0), request(1), request(2, "500"), request(2)], twoOwners);
  assert.deepEqual([calls, byCause], [0, {}]);
});

void test("rows that a killed worker had not committed may be paid again, broken off or answered", () => {
  const requests = [request(1), request(1), request(2, "dropped"), request(2)];
  const diedAtMs = (worker: string) => (worker === "one" ? 7 : undefined);
  const { calls, answered, byCause } = count(requests, twoOwners, { diedAtMs });
  assert.deepEqual([calls, answered, byCause], [2, 1, { "worker-killed": 2 }]);
});

void test("a row that was committed before its worker was killed may not be paid again", () => {
  const diedAtMs = (worker: string) => (worker === "one" ? 7 : undefined);
  assert.deepEqual(count([request(0), request(0)], twoOwners, { diedAtMs }).byCause, { unexplained: 1 });
});

void test("one loss explains one more call of a row, not two", () => {
  const sleeps = (worker: string) => (worker === "one" ? [{ fromMs: 2, toMs: 9 }] : []);
  const { byCause } = count([request(1), request(1), request(1)], twoOwners, { sleeps });
  assert.deepEqual(byCause, { "worker-asleep": 1, unexplained: 1 });
});

void test("an outage explains the losses that it touches alone", () => {
  const touching = { serverAway: [{ fromMs: 9, toMs: 11 }] };
  assert.deepEqual(count([request(1), request(1)], twoOwners, touching).byCause, { "server-away": 1 });
  const later = count([request(1), request(1)], twoOwners, { serverAway: [{ fromMs: 12, toMs: 14 }] });
  assert.deepEqual(later.byCause, { unexplained: 1 });
  assert.match(later.unexplained.join(), /shard 0: opened by one/);
});

void test("what a release leaves to be paid again is charged to the outage that it came of, or to the release itself", () => {
  const owners = [owned("one", [0, 10], [0], "released"), owned("two", [10, 20], [0, 1, 2, 3])];
  const requests = [request(1, "dropped"), request(1)];
  assert.deepEqual(count(requests, owners).byCause, { released: 1 });
  assert.deepEqual(count(requests, owners, { serverAway: [{ fromMs: 2, toMs: 6 }] }).byCause, { "server-away": 1 });
});

void test("a request about no row is found", () => {
  const stranger = { ...request(0), key: "?" };
  assert.match(count([stranger], twoOwners).violations.join(), /about no row/);
});
