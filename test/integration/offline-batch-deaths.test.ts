/** Processes that are killed on the way of their batches; `npm run test:batches` does the same with more rows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BATCH_DEATHS, runBatchDeaths } from "../chaos/batch-deaths.ts";

void test("killed at each step on the way, one job pays for each request once and has each row once", async () => {
  const { violations, unreached } = await runBatchDeaths({
    rows: 60,
    perBatch: 25,
    deaths: BATCH_DEATHS,
    say: () => undefined,
  });
  assert.deepEqual({ violations, unreached }, { violations: [], unreached: [] });
});

void test("killed as soon as its batch is created, a job finds it again and pays once", async () => {
  const { violations, unreached, batches } = await runBatchDeaths({
    rows: 12,
    perBatch: 50,
    deaths: ["batch-created"],
    say: () => undefined,
  });
  assert.deepEqual({ violations, unreached, batches }, { violations: [], unreached: [], batches: 1 });
});
