/** A broker that is away for longer than a lease: what was paid for is kept, where nobody else took the shard. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { sharedBroker } from "../../../jobs/open-broker.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";
import { NatsWorld } from "../../support/nats-world.ts";

const ROWS = 600;
const SLOTS = 8;
const LEASE_MS = 1_000;
const SETTINGS = { leaseMs: LEASE_MS, reconcileMs: 200 };
const elsewhere = { works: false, environment: {} } as const;

type Outage = (server: NatsWorld["server"]) => Promise<void>;

const kinds: Readonly<Record<string, Outage>> = {
  async killed(server) {
    await server.kill9();
    await delay(3 * LEASE_MS);
    await server.restart();
  },
  async asleep(server) {
    server.pause();
    await delay(3 * LEASE_MS);
    server.resume();
  },
};

/** A job with one outage of three leases, when a third of its rows is answered. */
async function throughOutage(world: JobWorld, outage: Outage) {
  await using nats = await NatsWorld.open();
  const broker = sharedBroker(await nats.connect({ leaseMs: LEASE_MS }), elsewhere);
  await nats.work({ leaseMs: LEASE_MS });
  const outages: Promise<void>[] = [];
  const report = await world.run(world.spec({ llm: { slots: SLOTS } }), {
    broker,
    settings: SETTINGS,
    onProgress: ({ rows }) => {
      if (rows.accepted >= ROWS / 3 && outages.length === 0) outages.push(outage(nats.server));
    },
  });
  assert.equal(outages.length, 1);
  await Promise.all(outages);
  assert.deepEqual(report.rows, { accepted: ROWS, failed: 0, total: ROWS }, JSON.stringify(report.error));
  assert.deepEqual(idsOf(await world.rows()), upTo(ROWS));
  return world.simulator.stats();
}

for (const [how, outage] of Object.entries(kinds)) {
  void test(`a broker that is ${how} for longer than a lease costs no request`, async () => {
    await using world = await JobWorld.open(ROWS, { latency: { distribution: "fixed", medianMs: 20 } });
    const { requests, answers } = await throughOutage(world, outage);
    assert.deepEqual([requests, answers], [ROWS, ROWS]);
  });

  void test(`a broker that is ${how} for longer than a lease costs the requests that run when it is over, and no answer`, async () => {
    await using world = await JobWorld.open(ROWS, {
      latency: { distribution: "fixed", medianMs: 20, stragglers: { share: 0.05, factor: 100 } },
    });
    const { requests, answers } = await throughOutage(world, outage);
    assert.equal(answers, ROWS);
    assert.ok(requests - ROWS <= SLOTS, `${requests - ROWS} requests were given up with ${SLOTS} slots`);
  });
}
