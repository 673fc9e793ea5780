import assert from "node:assert/strict";
import { test } from "node:test";
import { TidingError } from "../../../../shared/errors.ts";
import { EndpointRouter } from "../../../../worker/endpoints/endpoint-router.ts";
import { SlotPool } from "../../../../worker/endpoints/slot-pool.ts";

function route(router: EndpointRouter, times: number, nowMs = 0): string[] {
  const picked: string[] = [];
  for (let time = 0; time < times; time++) {
    const pool = router.pick(nowMs);
    if (pool === null) break;
    pool.take(nowMs);
    picked.push(pool.endpoint);
  }
  return picked;
}
const count = (names: readonly string[], name: string): number => names.filter((each) => each === name).length;
const error = (code: "ENDPOINT_UNREACHABLE" | "UNAUTHORIZED" | "ENDPOINT_SATURATED") =>
  new TidingError(code, `because of ${code}`);

void test("requests go where least is outstanding relative to the limit, until all slots are taken", () => {
  const router = new EndpointRouter([new SlotPool("small", 2), new SlotPool("large", 8)]);
  const picked = route(router, 5);
  assert.deepEqual([count(picked, "small"), count(picked, "large")], [1, 4]);
  assert.equal(route(router, 100).length, 5);
  assert.equal(router.pick(0), null);
});

void test("equal endpoints take turns", () => {
  const router = new EndpointRouter(["a", "b", "c"].map((name) => new SlotPool(name, 4)));
  for (let time = 0; time < 9; time++) {
    const pool = router.pick(0);
    pool?.take(0);
    pool?.release();
    assert.equal(pool?.endpoint, ["a", "b", "c"][time % 3]);
  }
});

void test("an open circuit and a rest keep an endpoint out", () => {
  const [a, b] = [new SlotPool("a", 4), new SlotPool("b", 4)];
  const router = new EndpointRouter([a, b]);
  a.failed(error("ENDPOINT_UNREACHABLE"), 1, 0);
  assert.deepEqual(route(router, 8), ["b", "b", "b", "b"]);
  for (let time = 0; time < 4; time++) b.release();
  b.rest(50);
  assert.equal(router.pick(49), null);
  assert.equal(router.wakeAtMs(10), 50);
  assert.equal(router.pick(50), b);
});

void test("all endpoints are down since the last of them went, and only while all are", () => {
  const [a, b] = [new SlotPool("a", 4), new SlotPool("b", 4)];
  const router = new EndpointRouter([a, b]);
  a.failed(error("ENDPOINT_UNREACHABLE"), 1, 100);
  assert.equal(router.downSinceMs(), null);
  b.failed(error("ENDPOINT_UNREACHABLE"), 2, 300);
  assert.equal(router.downSinceMs(), 300);
  assert.match(router.reasons(2_300), /ENDPOINT_UNREACHABLE, for 2 s; .*for 2 s/);
});

void test("an endpoint that only ever refuses counts as down while nothing is in flight there", () => {
  const pool = new SlotPool("a", 4);
  const router = new EndpointRouter([pool]);
  pool.take(0);
  pool.saturated(error("ENDPOINT_SATURATED"), 0, 10);
  assert.equal(router.downSinceMs(), null);
  pool.release();
  assert.equal(router.downSinceMs(), 10);
  pool.answered(20);
  assert.equal(router.downSinceMs(), null);
});

void test("there is a refusal when every endpoint refuses for good, not when one may come back", () => {
  const [a, b] = [new SlotPool("a", 4), new SlotPool("b", 4)];
  const router = new EndpointRouter([a, b]);
  a.failed(error("UNAUTHORIZED"), 1, 0);
  assert.equal(router.refusal(), null);
  b.failed(error("ENDPOINT_UNREACHABLE"), 1, 0);
  assert.equal(router.refusal(), null);
  const refusing = new EndpointRouter([a]);
  assert.equal(refusing.refusal()?.code, "UNAUTHORIZED");
});
