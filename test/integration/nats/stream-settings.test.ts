/** Budgets and copies of a broker's streams: what an operator set stays, what a flag names is changed, and a no is told. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { jetstreamManager, type StreamConfig } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { runCli } from "../../../cli/main.ts";
import { openBroker } from "../../../jobs/open-broker.ts";
import { NatsBlobs } from "../../../shared/transport/nats/nats-blobs.ts";
import { cliWorld } from "../../support/cli-world.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";
import { startNatsCluster } from "../../support/nats-cluster.ts";
import { NATS_SERVER_VERSIONS, startNatsServer } from "../../support/nats-server.ts";

const MIB = 2 ** 20;
const STREAMS = ["TIDING_TASKS", "TIDING_RESULTS", "TIDING_INPUT", "TIDING_LOG", "KV_tiding_state"] as const;

interface Ended {
  readonly code: number;
  readonly said: string;
}

async function tiding(broker: string, ...argv: readonly string[]): Promise<Ended> {
  const world = cliWorld({ TIDING_BROKER: broker });
  const code = await runCli(argv, world);
  return { code, said: world.stdout.text + world.stderr.text };
}

/** A coordinator that leaves as soon as it is at work, or ends because it cannot be. */
async function coordinator(broker: string, ...flags: readonly string[]): Promise<Ended> {
  const world = cliWorld({ TIDING_BROKER: broker });
  let hasEnded = false;
  const ended = runCli(["coordinator", ...flags], world).finally(() => (hasEnded = true));
  while (!hasEnded && !world.stderr.text.includes("is at work")) await delay(20);
  world.signals.emit("SIGTERM", "SIGTERM");
  return { code: await ended, said: world.stderr.text };
}

async function started(broker: string, ...flags: readonly string[]): Promise<void> {
  const { code, said } = await coordinator(broker, ...flags);
  assert.equal(code, 0, said);
}

/** As an operator's own tools would change it. */
async function byHand(broker: string, stream: string, change: Partial<StreamConfig>): Promise<void> {
  const connection = await connect({ servers: broker.split(",") });
  await (await jetstreamManager(connection)).streams.update(stream, change);
  await connection.close();
}

async function configs(broker: string): Promise<{ copies: number[]; results: number; inputs: number }> {
  const connection = await connect({ servers: broker.split(",") });
  const { streams } = await jetstreamManager(connection);
  const found = await Promise.all(STREAMS.map(async (name) => (await streams.info(name)).config));
  await connection.close();
  const bytesOf = (name: string): number => found.find((config) => config.name === name)?.max_bytes ?? 0;
  return {
    copies: found.map(({ num_replicas }) => num_replicas),
    results: bytesOf("TIDING_RESULTS"),
    inputs: bytesOf("TIDING_INPUT"),
  };
}

async function jobFile(world: JobWorld): Promise<string> {
  const file = path.join(world.folder, "job.json");
  await writeFile(file, JSON.stringify(world.spec()));
  return file;
}

for (const version of NATS_SERVER_VERSIONS) {
  void test(`${version}: budgets that an operator set are left alone by a plain start, and changed by a flag`, async () => {
    await using server = await startNatsServer(version);
    await using world = await JobWorld.open(20);
    const copies = [1, 1, 1, 1, 1];
    await started(server.url);
    assert.deepEqual(await configs(server.url), { copies, results: 1024 * MIB, inputs: 256 * MIB });

    await byHand(server.url, "TIDING_RESULTS", { max_bytes: 100 * MIB, description: "of the operator" });
    await byHand(server.url, "TIDING_INPUT", { max_bytes: 50 * MIB });
    await started(server.url);
    assert.deepEqual(await configs(server.url), { copies, results: 100 * MIB, inputs: 50 * MIB });

    await started(server.url, "--results-budget", "0.5GiB");
    assert.deepEqual(await configs(server.url), { copies, results: 512 * MIB, inputs: 50 * MIB });
    const ran = await tiding(server.url, "run", await jobFile(world), "--inputs-budget", "64000000", "--replicas", "1");
    assert.equal(ran.code, 0, ran.said);
    assert.deepEqual(await configs(server.url), { copies, results: 512 * MIB, inputs: 64_000_000 });
    await started(server.url);
    assert.deepEqual(await configs(server.url), { copies, results: 512 * MIB, inputs: 64_000_000 });
  });

  void test(`${version}: a broker that is one server refuses three copies, and nothing is changed`, async () => {
    await using server = await startNatsServer(version);
    for (const isNew of [true, false]) {
      const { code, said } = await coordinator(server.url, "--replicas", "3", "--results-budget", "32MiB");
      assert.equal(code, 2, said);
      assert.match(said, /^error BROKER_UNFIT\n.*copies[^]*mend: Give --replicas no more than the cluster has servers/);
      if (isNew) await started(server.url);
    }
    assert.deepEqual(await configs(server.url), {
      copies: [1, 1, 1, 1, 1],
      results: 1024 * MIB,
      inputs: 256 * MIB,
    });
  });
}

void test("a stream whose budget was taken away by hand has room without end, and stays so", async () => {
  await using server = await startNatsServer("newest");
  await using world = await JobWorld.open(20);
  await started(server.url);
  await byHand(server.url, "TIDING_RESULTS", { max_bytes: -1 });
  const ran = await tiding(server.url, "run", await jobFile(world));
  assert.equal(ran.code, 0, ran.said);
  await using client = await openBroker({ address: server.url });
  assert.ok(client.results instanceof NatsBlobs);
  assert.equal((await client.results.usage()).budgetBytes, Infinity);
});

void test("a size that is none, too small or beyond the server's is refused with what to do", async () => {
  await using server = await startNatsServer("newest");
  for (const size of ["lots", "1XB", "-5MiB", "", "1.5", "1e9"]) {
    const { code, said } = await coordinator(server.url, "--results-budget", size);
    assert.equal(code, 2);
    assert.match(said, /Expected/, size);
  }
  assert.match((await coordinator(server.url, "--inputs-budget", "8MiB")).said, /at least 16MiB/);
  const beyond = await coordinator(server.url, "--results-budget", "1024TiB");
  assert.equal(beyond.code, 2);
  assert.match(beyond.said, /BROKER_UNFIT[^]*Lower the budgets \(--results-budget, --inputs-budget\)/);
});

void test("settings of a broker's streams are refused where there is no broker", async () => {
  await using world = await JobWorld.open(1);
  const { code, said } = await tiding("", "run", await jobFile(world), "--replicas", "3");
  assert.equal(code, 2);
  assert.match(said, /error USAGE[^]*Name the broker/);
});

void test("in a cluster all streams get the copies that a flag names, a plain start keeps them, and a job runs on them", async () => {
  await using cluster = await startNatsCluster("newest");
  await using world = await JobWorld.open(400, { latency: { distribution: "fixed", medianMs: 20 } });
  await started(cluster.addresses);
  assert.deepEqual((await configs(cluster.addresses)).copies, [1, 1, 1, 1, 1]);
  await started(cluster.addresses, "--replicas", "3");
  assert.deepEqual((await configs(cluster.addresses)).copies, [3, 3, 3, 3, 3]);
  await started(cluster.addresses);
  assert.deepEqual((await configs(cluster.addresses)).copies, [3, 3, 3, 3, 3]);

  const ran = await tiding(cluster.addresses, "run", await jobFile(world));
  assert.equal(ran.code, 0, ran.said);
  assert.deepEqual(idsOf(await world.rows()), upTo(400));
  assert.equal(world.simulator.stats().answers, 400);

  for (const [copies, why] of [
    ["5", "no suitable peers"],
    ["6", "maximum replicas is 5"],
  ] as const) {
    const { code, said } = await coordinator(cluster.addresses, "--replicas", copies);
    assert.equal(code, 2);
    assert.match(said, new RegExp(`BROKER_UNFIT[^]*${why}[^]*Give --replicas no more than`));
  }
  await started(cluster.addresses, "--replicas", "1");
  assert.deepEqual((await configs(cluster.addresses)).copies, [1, 1, 1, 1, 1]);
});

void test("a cluster whose compare-and-swap is not sound on several copies is not given any", async () => {
  await using cluster = await startNatsCluster("2.9.10");
  const { code, said } = await coordinator(cluster.addresses, "--replicas", "3");
  assert.equal(code, 2);
  assert.match(said, /BROKER_UNFIT[^]*nats-server 2\.9\.10[^]*Upgrade the cluster to nats-server 2\.11\.0/);
});
