import assert from "node:assert/strict";
import { test } from "node:test";
import { runChaos } from "../../chaos/chaos-driver.ts";

void test("a job that is killed at random and at the steps of the protocol ends whole", async (context) => {
  const seed = 20261121;
  const { violations, details } = await runChaos({ seed, rows: 2_500, kills: 4, killsPerStep: 1, slots: 16 });
  context.diagnostic(JSON.stringify(details));
  assert.deepEqual(violations, []);
});
