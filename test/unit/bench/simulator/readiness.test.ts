import assert from "node:assert/strict";
import { test } from "node:test";
import { Readiness } from "../../../../bench/simulator/readiness.ts";
import { startSimulator } from "../../../../bench/simulator/simulator.ts";
import type { Simulator } from "../../../../bench/simulator/simulator.ts";
import { get, post } from "./client.ts";

const HOUR = 3_600_000;
const body = { inputs: "Name a bird." };

async function untilState(simulator: Simulator, state: string): Promise<void> {
  while (simulator.stats().state !== state) await new Promise((resolve) => setTimeout(resolve, 1));
}

void test("while it loads, health and work are refused with 503, and it tells so itself", async () => {
  await using simulator = await startSimulator({ coldStartMs: HOUR });
  for (const path of ["/health", "/info", "/metrics"]) assert.equal((await get(simulator.url + path)).status, 503);
  const refused = await post(`${simulator.url}/generate`, body);
  assert.deepEqual([refused.status, refused.text], [503, "Service Unavailable"]);
  const stats = JSON.parse((await get(`${simulator.url}/simulator/stats`)).text) as Record<string, unknown>;
  assert.deepEqual([stats["state"], stats["requests"]], ["loading", 0]);
});

void test("once loaded it serves", async () => {
  await using simulator = await startSimulator({ coldStartMs: 30 });
  await untilState(simulator, "ready");
  assert.equal((await get(`${simulator.url}/health`)).status, 200);
  assert.equal((await post(`${simulator.url}/generate`, body)).status, 200);
});

void test("after idle time it sleeps, a request wakes it, and it is refused with 502 and 503 until it is up", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const readiness = new Readiness({ scaleToZeroMs: 1_000, coldStartMs: 60_000 });
  assert.deepEqual([readiness.told().state, readiness.enter()], ["loading", 503]);
  t.mock.timers.tick(60_000);
  assert.deepEqual([readiness.told().state, readiness.enter()], ["ready", null]);
  t.mock.timers.tick(1_000);
  assert.equal(readiness.told().state, "asleep");
  assert.deepEqual([readiness.enter(), readiness.told().state], [502, "waking"]);
  t.mock.timers.tick(29_999);
  assert.equal(readiness.enter(), 502);
  t.mock.timers.tick(1);
  assert.deepEqual([readiness.enter(), readiness.told().state], [503, "loading"]);
  t.mock.timers.tick(30_000);
  assert.equal(readiness.enter(), null);
});

void test("it does not sleep while something is in flight", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const readiness = new Readiness({ scaleToZeroMs: 1_000, coldStartMs: 0 });
  readiness.busy();
  t.mock.timers.tick(50_000);
  assert.equal(readiness.enter(), null);
  readiness.idle();
  t.mock.timers.tick(999);
  assert.equal(readiness.enter(), null);
  t.mock.timers.tick(1);
  assert.equal(readiness.enter(), 502);
});

void test("a sleeping endpoint refuses the request that wakes it", async () => {
  await using simulator = await startSimulator({ scaleToZeroMs: 20 });
  await untilState(simulator, "asleep");
  const refused = await post(`${simulator.url}/generate`, body);
  assert.deepEqual([refused.status, refused.text], [502, "Bad Gateway"]);
});

void test("a client that says how long it waits is held and then served, or refused in the end", async () => {
  await using simulator = await startSimulator({ scaleToZeroMs: 50, coldStartMs: 60 });
  await untilState(simulator, "asleep");
  const held = await post(`${simulator.url}/generate`, body, { headers: { "x-scale-up-timeout": "600" } });
  assert.equal(held.status, 200);
  await using loading = await startSimulator({ coldStartMs: HOUR });
  const refused = await post(`${loading.url}/generate`, body, { headers: { "x-scale-up-timeout": "0.02" } });
  assert.equal(refused.status, 503);
});

void test("closing releases who waits", async () => {
  const simulator = await startSimulator({ coldStartMs: HOUR });
  const held = post(`${simulator.url}/generate`, body, { headers: { "x-scale-up-timeout": "600" } });
  const refused = assert.rejects(held);
  await get(`${simulator.url}/simulator/stats`);
  await simulator.close();
  await refused;
});
