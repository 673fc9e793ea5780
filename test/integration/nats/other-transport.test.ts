/** A job that was begun over one transport, and is gone on with over another. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedBroker } from "../../../jobs/open-broker.ts";
import { isTidingError } from "../../../shared/errors.ts";
import { JobWorld } from "../../support/job-world.ts";
import { NatsWorld } from "../../support/nats-world.ts";

const SETTINGS = { leaseMs: 3_000, reconcileMs: 200 };

void test("rows that are paid for and lie with one transport are not paid for again over another", async () => {
  await using world = await JobWorld.open(800, { latency: { distribution: "fixed", medianMs: 50 } });
  await using nats = await NatsWorld.open();
  const broker = sharedBroker(await nats.connect(), { works: true, environment: {} });
  // Shards so large that none is complete, and nothing lands.
  const spec = world.spec({ run: { shard_rows: 800 } });
  const interrupted = async (over: object): Promise<number> => {
    const drain = new AbortController();
    const report = await world.run(spec, {
      ...over,
      settings: SETTINGS,
      drain: drain.signal,
      onProgress: ({ rows }) => void (rows.accepted >= 40 && drain.abort()),
    });
    assert.equal(report.outcome, "interrupted");
    assert.equal(report.rows.accepted, 0);
    return report.committed;
  };
  const committed = await interrupted({ broker });
  assert.ok(committed >= 40, `${committed} rows are committed`);
  await assert.rejects(world.run(spec, { settings: SETTINGS }), (error) => {
    return isTidingError(error) && error.code === "USAGE" && /--broker/.test(error.mend ?? "");
  });
  const report = await world.run(spec, { broker, settings: SETTINGS });
  assert.deepEqual(report.rows, { accepted: 800, failed: 0, total: 800 }, JSON.stringify(report.error));
  assert.equal(world.simulator.stats().answers, 800);
});

void test("a job begun without a broker is not gone on with over one while its own log holds rows", async () => {
  await using world = await JobWorld.open(300, { latency: { distribution: "fixed", medianMs: 20 } });
  await using nats = await NatsWorld.open();
  const broker = sharedBroker(await nats.connect(), { works: true, environment: {} });
  const drain = new AbortController();
  const spec = world.spec({ run: { shard_rows: 100 }, output: { part_bytes: 1 } });
  const first = await world.run(spec, {
    settings: SETTINGS,
    drain: drain.signal,
    onProgress: ({ rows }) => void (rows.accepted >= 120 && drain.abort()),
  });
  assert.equal(first.outcome, "interrupted");
  await assert.rejects(world.run(spec, { broker, settings: SETTINGS }), (error) => {
    return isTidingError(error) && error.code === "USAGE" && /paid for/.test(error.message);
  });
  assert.deepEqual((await world.run(spec, { settings: SETTINGS })).rows, { accepted: 300, failed: 0, total: 300 });
});
