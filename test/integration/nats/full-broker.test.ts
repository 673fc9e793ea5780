/** A broker that stores nothing more: all wait, say so and why, lose nothing, and go on when it has room. */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { BrokerTrouble } from "../../../jobs/broker-trouble.ts";
import { openJobBroker, sharedBroker, type ProvisionOptions } from "../../../jobs/open-broker.ts";
import type { Transport } from "../../../shared/transport/transport.ts";
import { FleetWorld } from "../../support/fleet-world.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";
import { openFiller } from "../../support/nats-filler.ts";
import { NATS_SERVER_VERSIONS } from "../../support/nats-server.ts";
import { BUDGETS, NatsWorld } from "../../support/nats-world.ts";

const ROWS = 600;
const SETTINGS = { leaseMs: 3_000, reconcileMs: 200, patienceMs: 300 };
const SLOW = { latency: { distribution: "fixed", medianMs: 50 } } as const;
const SERVER = { maxFileStoreBytes: 96 * 1024 * 1024 };

/** A job over a broker as `tiding run` runs it, or over a transport whose leases are short; and what it says. */
function runOver(
  world: JobWorld,
  broker: ProvisionOptions | Transport,
  { works, drain = new AbortController().signal }: { readonly works: boolean; readonly drain?: AbortSignal },
) {
  const notices: string[] = [];
  const waits: (string | null)[] = [];
  const onNotice = (notice: string): void => void notices.push(notice);
  const stop = new AbortController().signal;
  async function run() {
    await using opened =
      "address" in broker
        ? await openJobBroker(broker, { works, environment: {}, stop, onNotice })
        : { broker: sharedBroker(broker, { works, environment: {} }), [Symbol.asyncDispose]: () => Promise.resolve() };
    if (!("address" in broker)) new BrokerTrouble({ onNotice }).follow(broker);
    return await world.run(world.spec({ run: { grace: "100ms" } }), {
      broker: opened.broker,
      settings: SETTINGS,
      drain,
      onNotice,
      onProgress: ({ waitingFor }) => waits.push(waitingFor),
    });
  }
  return { notices, waits, ended: run() };
}

async function untilAnswers(world: JobWorld, count: number): Promise<void> {
  while (world.simulator.stats().answers < count) await delay(10);
}

async function untilSaid(notices: readonly string[], what: RegExp): Promise<void> {
  while (!notices.some((notice) => what.test(notice))) await delay(20);
}

/** How often it was said. */
function times(notices: readonly string[], what: RegExp): number {
  return notices.filter((notice) => what.test(notice)).length;
}

for (const version of NATS_SERVER_VERSIONS) {
  void test(`${version}: a run and a worker wait for a server whose store is full, pay for no more, and go on`, async () => {
    await using world = await JobWorld.open(ROWS, SLOW);
    await using nats = await NatsWorld.open(version, SERVER);
    const broker = { address: nats.server.url, streams: BUDGETS };
    await using filler = await openFiller(nats.server.url, SERVER.maxFileStoreBytes);
    const job = runOver(world, broker, { works: true });
    await untilAnswers(world, 100);
    await filler.fill();
    await untilSaid(job.notices, /store is full/);
    const { answers } = world.simulator.stats();
    assert.ok(answers < ROWS, "the test must fill the store before the job is done");
    await delay(2_000);
    assert.equal(world.simulator.stats().answers, answers, "rows are paid for that cannot be stored");
    assert.match(job.waits.at(-1) ?? "", /store is full: insufficient resources.*max_file_store/);
    await filler.makeRoom();
    const report = await job.ended;
    assert.deepEqual(report.rows, { accepted: ROWS, failed: 0, total: ROWS }, JSON.stringify(report.error));
    assert.deepEqual(idsOf(await world.rows()), upTo(ROWS));
    assert.equal(world.simulator.stats().answers, ROWS, "what was answered before was kept");
    assert.equal(times(job.notices, /store is full/), 1, job.notices.join("\n"));
    assert.match(job.notices.join("\n"), /the server's store\) Raise max_file_store/);
    assert.equal(times(job.notices, /stores again/), 1);
  });
}

void test("a run whose workers are all elsewhere says that the store is full, though it has nothing to store itself", async () => {
  await using world = await JobWorld.open(200, { latency: { distribution: "fixed", medianMs: 400 } });
  await using nats = await NatsWorld.open("newest", SERVER);
  await using filler = await openFiller(nats.server.url, SERVER.maxFileStoreBytes);
  const job = runOver(world, await nats.connect(), { works: false });
  await nats.work();
  // All has been handed out by then.
  await untilAnswers(world, 100);
  await filler.fill();
  assert.ok(world.simulator.stats().answers < 200, "the test must fill the store before the job is done");
  await untilSaid(job.notices, /store is full/);
  await filler.makeRoom();
  assert.deepEqual((await job.ended).rows, { accepted: 200, failed: 0, total: 200 });
  assert.equal(world.simulator.stats().answers, 200);
  assert.equal(times(job.notices, /stores again/), 1);
});

void test("a commit log at its own limit is waited for too, and no more is paid for meanwhile", async () => {
  await using world = await JobWorld.open(ROWS, SLOW);
  await using nats = await NatsWorld.open();
  const job = runOver(world, await nats.connect(), { works: true });
  await untilAnswers(world, 50);
  const connection = await connect({ servers: nats.server.url });
  const { streams } = await jetstreamManager(connection);
  const { state } = await streams.info("TIDING_LOG");
  await streams.update("TIDING_LOG", { max_msgs: state.messages });
  await untilSaid(job.notices, /TIDING_LOG takes nothing more: maximum messages exceeded/);
  const { answers } = world.simulator.stats();
  assert.ok(answers < ROWS, "the test must fill the log before the job is done");
  await delay(1_000);
  assert.equal(world.simulator.stats().answers, answers);
  await streams.update("TIDING_LOG", { max_msgs: -1 });
  await connection.close();
  assert.deepEqual((await job.ended).rows, { accepted: ROWS, failed: 0, total: ROWS });
  assert.deepEqual(idsOf(await world.rows()), upTo(ROWS));
  assert.equal(world.simulator.stats().answers, ROWS);
});

void test("a run that is asked to leave while the broker is full leaves, and the next one goes on", async () => {
  await using world = await JobWorld.open(ROWS, SLOW);
  await using nats = await NatsWorld.open("newest", SERVER);
  const broker = await nats.connect();
  await using filler = await openFiller(nats.server.url, SERVER.maxFileStoreBytes);
  const drain = new AbortController();
  const first = runOver(world, broker, { works: true, drain: drain.signal });
  await untilAnswers(world, 100);
  await filler.fill();
  await untilSaid(first.notices, /store is full/);
  drain.abort();
  assert.equal((await first.ended).outcome, "interrupted", first.notices.join("\n"));

  // Nor is one held up that finds it full: where it makes the job known, or asks workers what the endpoints serve.
  for (const works of [true, false]) {
    const early = new AbortController();
    const second = runOver(world, broker, { works, drain: early.signal });
    await untilSaid(second.notices, /store is full/);
    early.abort();
    await assert.rejects(second.ended, { name: "AbortError" });
  }
  await filler.makeRoom();
  const { rows, error } = await runOver(world, broker, { works: true }).ended;
  assert.deepEqual(rows, { accepted: ROWS, failed: 0, total: ROWS }, JSON.stringify(error));
  assert.deepEqual(idsOf(await world.rows()), upTo(ROWS));
});

void test("a fleet waits for a full broker, and its clients are told at once", async () => {
  await using fleet = await FleetWorld.open(ROWS, { workers: 0, version: "newest", server: SERVER });
  await using filler = await openFiller(fleet.nats.server.url, SERVER.maxFileStoreBytes);
  const said: string[] = [];
  await fleet.nats.work({ onNotice: (notice) => said.push(notice) });
  const coordinator = fleet.coordinate({ broker: { address: fleet.nats.server.url, streams: BUDGETS } });
  const id = await fleet.submit("answers");
  await fleet.untilRequests(100);
  await filler.fill();
  await untilSaid(coordinator.notices, /store is full.*the server's store\) Raise max_file_store/);
  const refused = await fleet.tiding("submit", await fleet.spec("more"), "--json");
  assert.equal(refused.code, 1, refused.stdout.text + refused.stderr.text);
  const { error } = JSON.parse(refused.stdout.text) as { error: { code: string; place: string; mend: string } };
  assert.equal(error.code, "BROKER_FULL");
  assert.match(error.place, /the server's store/);
  assert.match(error.mend, /max_file_store/);
  const paused = await fleet.tiding("pause", id);
  assert.equal(paused.code, 1);
  assert.match(paused.stderr.text, /BROKER_FULL/);
  // What can be read is still told.
  assert.match((await fleet.tiding("jobs")).stdout.text, /answers/);
  await filler.makeRoom();
  const { report } = await fleet.until(id, ({ state }) => state === "finished");
  assert.equal(report?.rows.accepted, ROWS);
  assert.equal(fleet.requests, ROWS);
  assert.equal(times(coordinator.notices, /store is full/), 1);
  assert.equal(times(coordinator.notices, /stores again/), 1);
});
