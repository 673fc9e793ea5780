import assert from "node:assert/strict";
import { test } from "node:test";
import { runNatsChaos } from "../../chaos/nats-chaos-driver.ts";

const NONE = { worker: 0, coordinator: 0, server: 0, zombie: 0, drain: 0, rollback: 0 };

void test("a job over NATS, with everybody killed and put to sleep, ends whole", async (context) => {
  const { violations, details } = await runNatsChaos({
    seed: 20261122,
    rows: 1_600,
    workers: 3,
    faults: { ...NONE, worker: 8, coordinator: 3, server: 2, zombie: 4, drain: 1 },
    server: "2.9.10",
    latencyMs: 100,
  });
  context.diagnostic(JSON.stringify(details));
  assert.deepEqual(violations, []);
});

void test("a job over NATS whose broker forgets the last seconds ends whole", async (context) => {
  const { violations, details } = await runNatsChaos({
    seed: 20261123,
    rows: 800,
    workers: 2,
    faults: { ...NONE, worker: 2, coordinator: 1, rollback: 2 },
    server: "newest",
    latencyMs: 100,
  });
  context.diagnostic(JSON.stringify(details));
  assert.deepEqual(violations, []);
});
