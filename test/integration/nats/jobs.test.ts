/** Jobs over a real nats-server, with workers that have nothing of the coordinator but the broker. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedBroker } from "../../../jobs/open-broker.ts";
import { answerOf, idsOf, JobWorld, questionOf, upTo } from "../../support/job-world.ts";
import { NatsWorld } from "../../support/nats-world.ts";
import { NATS_SERVER_VERSIONS } from "../../support/nats-server.ts";

const SETTINGS = { leaseMs: 3_000, reconcileMs: 200 };

for (const version of NATS_SERVER_VERSIONS) {
  void test(`a job is worked on by two workers, on nats-server ${version}`, async () => {
    await using world = await JobWorld.open(600, { latency: { distribution: "fixed", medianMs: 20 } });
    await using nats = await NatsWorld.open(version);
    const transport = await nats.connect();
    const workers = [await nats.work(), await nats.work()];
    const report = await world.run(world.spec(), {
      broker: sharedBroker(transport, { works: false, environment: {} }),
      settings: SETTINGS,
    });
    assert.deepEqual(report.rows, { accepted: 600, failed: 0, total: 600 }, JSON.stringify(report.error));
    assert.equal(report.run.rows, 600);
    const rows = await world.rows();
    assert.deepEqual(idsOf(rows), upTo(600));
    for (const [row, { question, generation }] of rows.entries()) {
      assert.equal(question, questionOf(row));
      assert.ok(String(generation).startsWith(answerOf(row)));
    }
    assert.equal(world.simulator.stats().answers, 600);
    for (const worker of workers) assert.ok(worker.rows > 0, "each has done its share");
    assert.deepEqual(await transport.results.usage().then(({ bytes }) => bytes), 0);
  });
}

void test("a job that is interrupted is gone on with by the same workers, and by ones that come later", async () => {
  await using world = await JobWorld.open(800, { latency: { distribution: "fixed", medianMs: 20 } });
  await using nats = await NatsWorld.open();
  const transport = await nats.connect();
  const broker = sharedBroker(transport, { works: false, environment: {} });
  await nats.work();
  const drain = new AbortController();
  const first = await world.run(world.spec(), {
    broker,
    settings: SETTINGS,
    drain: drain.signal,
    onProgress: ({ rows }) => {
      if (rows.accepted >= 200) drain.abort();
    },
  });
  assert.equal(first.outcome, "interrupted");
  const paid = world.simulator.stats().answers;
  assert.ok(paid < 700, `${paid} answers`);
  await nats.work();
  const second = await world.run(world.spec(), { broker, settings: SETTINGS });
  assert.deepEqual(second.rows, { accepted: 800, failed: 0, total: 800 }, JSON.stringify(second.error));
  assert.deepEqual(idsOf(await world.rows()), upTo(800));
  assert.equal(world.simulator.stats().answers, 800);
});

void test("the process that runs a job works on it too", async () => {
  await using world = await JobWorld.open(100);
  await using nats = await NatsWorld.open();
  const broker = sharedBroker(await nats.connect(), { works: true, environment: {} });
  const report = await world.run(world.spec(), { broker, settings: SETTINGS });
  assert.deepEqual(report.rows, { accepted: 100, failed: 0, total: 100 }, JSON.stringify(report.error));
});
