import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedBroker } from "../../../jobs/open-broker.ts";
import { assertImages, imageSpec, openImageWorld, readImages } from "../../support/image-jobs.ts";
import { NatsWorld } from "../../support/nats-world.ts";

void test("images larger than a message of the broker's come back from workers elsewhere", async () => {
  for (const [count, imageBytes] of [
    [100, 0],
    [8, 3_000_000],
  ] as const) {
    await using world = await openImageWorld(count, { imageBytes });
    await using nats = await NatsWorld.open();
    const transport = await nats.connect();
    await nats.work();
    const report = await world.run(imageSpec(world), {
      broker: sharedBroker(transport, { works: false, environment: {} }),
    });
    assert.deepEqual(report.rows, { accepted: count, failed: 0, total: count }, JSON.stringify(report.error));
    assertImages((await readImages(world.output)).rows, count, imageBytes);
  }
});
