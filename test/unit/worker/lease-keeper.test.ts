import assert from "node:assert/strict";
import { test } from "node:test";
import type { HeldShard } from "../../../worker/held-shard.ts";
import { LeaseKeeper } from "../../../worker/lease-keeper.ts";

/** A shard whose beats are answered when the test says so; nothing else of it is looked at. */
function shardOf(beat: () => Promise<void>): HeldShard {
  return { claim: { beat } } as unknown as HeldShard;
}

function keeperAt(clock: { now: number }) {
  const told: string[] = [];
  const on = { lost: () => told.push("lost"), regained: () => told.push("regained") };
  const keeper = new LeaseKeeper(30_000, on, () => clock.now);
  return { told, keeper, [Symbol.dispose]: () => keeper.close() };
}

void test("a lease that was not confirmed for two thirds of its time starts no rows, and tells when it may again", async () => {
  const clock = { now: 0 };
  using world = keeperAt(clock);
  let isAway = true;
  const shard = shardOf(() => (isAway ? Promise.reject(new Error("away")) : Promise.resolve()));
  world.keeper.add(shard, 0);
  clock.now = 20_000;
  world.keeper.beatAll();
  assert.equal(world.keeper.mayStart(shard), false);
  isAway = false;
  clock.now = 21_000;
  world.keeper.beatAll();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(world.keeper.mayStart(shard), true);
  assert.deepEqual(world.told, ["regained"]);
  clock.now = 22_000;
  world.keeper.beatAll();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(world.told, ["regained"], "a beat that changes nothing is not told");
});

void test("a lease that was not confirmed for all of its time is given up", () => {
  const clock = { now: 0 };
  using world = keeperAt(clock);
  const shard = shardOf(() => Promise.reject(new Error("away")));
  world.keeper.add(shard, 0);
  clock.now = 30_000;
  world.keeper.beatAll();
  assert.deepEqual(world.told, ["lost"]);
  assert.equal(world.keeper.mayStart(shard), false);
});

void test("a claim's lease counts from when it was asked for: one that is doubtful by then is confirmed before rows start", async () => {
  const clock = { now: 20_000 };
  using world = keeperAt(clock);
  const shard = shardOf(() => Promise.resolve());
  world.keeper.add(shard, 0);
  assert.equal(world.keeper.mayStart(shard), false);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(world.keeper.mayStart(shard), true);
  assert.deepEqual(world.told, ["regained"]);
});

void test("a beat that was sent before a newer claim does not make the lease older", async () => {
  const clock = { now: 0 };
  using world = keeperAt(clock);
  let confirm: () => void = () => undefined;
  const shard = shardOf(() => new Promise((resolve) => (confirm = resolve)));
  world.keeper.add(shard, 0);
  world.keeper.beatAll();
  clock.now = 19_000;
  world.keeper.add(shard, 19_000);
  confirm();
  await new Promise((resolve) => setImmediate(resolve));
  clock.now = 30_000;
  assert.equal(world.keeper.mayStart(shard), true);
});
