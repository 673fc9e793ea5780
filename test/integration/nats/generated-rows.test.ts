import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedBroker } from "../../../jobs/open-broker.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";
import { NatsWorld } from "../../support/nats-world.ts";

void test("rows that are generated reach workers elsewhere, though they have no columns", async () => {
  await using world = await JobWorld.open(0, { seedChangesAnswer: true });
  await using nats = await NatsWorld.open();
  const transport = await nats.connect();
  await nats.work();
  const { input: _, ...spec } = world.spec({ step: { columns: {}, template: "Write a poem." } }) as { input: object };
  const report = await world.run(
    { ...spec, input: { generate: { rows: 100 } } },
    { broker: sharedBroker(transport, { works: false, environment: {} }) },
  );
  assert.deepEqual(report.rows, { accepted: 100, failed: 0, total: 100 }, JSON.stringify(report.error));
  const rows = await world.rows();
  assert.deepEqual(idsOf(rows), upTo(100));
  assert.equal(new Set(rows.map(({ generation }) => generation)).size, 100);
});
