/** The broker as deploy/ configures it: what each role can do, what it cannot, and that no secret leaves who holds it. */
import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { connect, errors, type NatsConnection } from "@nats-io/transport-node";
import { runCli } from "../../../cli/main.ts";
import { openBroker, type BrokerOptions } from "../../../jobs/open-broker.ts";
import { openNatsTransport } from "../../../shared/transport/nats/nats-transport.ts";
import { TransportError, type JobKey, type Transport } from "../../../shared/transport/transport.ts";
import { cliWorld, type CliWorld } from "../../support/cli-world.ts";
import { passwordOf, PASSWORDS, startDeployedNats, type DeployedNats, type Role } from "../../support/deployed-nats.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";
import { NATS_SERVER_VERSIONS } from "../../support/nats-server.ts";

const KEY = "canary-endpoint-key";
const JOB = "4f1c" as JobKey;

/** A command that runs in this process. */
interface Command {
  readonly world: CliWorld;
  readonly ended: Promise<number>;
}

/** Workers alone have the endpoint's key. */
function tiding(nats: DeployedNats, role: Role, ...words: string[]): Command {
  const world = cliWorld({ ...nats.environmentOf(role), ...(role === "worker" ? { KEY } : {}) });
  return { world, ended: runCli(words, world) };
}

async function done({ world, ended }: Command): Promise<{ readonly code: number; readonly said: string }> {
  return { code: await ended, said: world.stdout.text + world.stderr.text };
}

/** As SIGTERM. */
function leave({ world }: Command): void {
  world.signals.emit("SIGTERM", "SIGTERM");
}

async function textsBelow(folder: string): Promise<readonly (readonly [string, string])[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  return await Promise.all(files.map(async (file) => [file, await readFile(file, "latin1")] as const));
}

for (const version of NATS_SERVER_VERSIONS) {
  void test(`${version}: whole jobs run on each role's permissions alone, and no secret is in anything that is kept or sent`, async (t) => {
    await using nats = await startDeployedNats(version, { config: "nats.conf", trace: true });
    await using world = await JobWorld.open(300, {
      apiKey: KEY,
      latency: { distribution: "fixed", medianMs: 20 },
      faults: { "422": 0.1 },
    });
    const job = path.join(world.folder, "job.json");
    await writeFile(job, JSON.stringify(world.spec({ llm: { api_key: "${KEY}", slots: 8 } })));
    const workers = [tiding(nats, "worker", "worker"), tiding(nats, "worker", "worker")];
    t.after(() => workers.forEach(leave));
    // Drained, with a worker that leaves; resumed; its failed rows once more.
    const first = tiding(nats, "coordinator", "run", job, "--no-work");
    while (world.simulator.stats().answers < 60) await delay(10);
    leave(first);
    leave(workers[0]!);
    const ends = [await done(first), await done(workers[0]!)];
    assert.deepEqual(
      ends.map(({ code }) => code),
      [130, 0],
      ends.map(({ said }) => said).join("\n"),
    );
    ends.push(await done(tiding(nats, "coordinator", "run", job, "--no-work")));
    assert.equal(ends.at(-1)!.code, 3, ends.at(-1)!.said);
    ends.push(await done(tiding(nats, "coordinator", "retry", world.output, "--no-work")));
    assert.equal(ends.at(-1)!.code, 3, ends.at(-1)!.said);
    const rows = [...(await world.rows()), ...(await world.rows("failed"))];
    assert.deepEqual(
      idsOf(rows).toSorted((a, b) => a - b),
      upTo(300),
    );
    // Submitted, paused, resumed, and followed to its end.
    const coordinator = tiding(nats, "coordinator", "coordinator");
    t.after(() => leave(coordinator));
    const submitted = await done(tiding(nats, "client", "submit", job, "-o", path.join(world.folder, "again")));
    const id = /Submitted (\S+),/.exec(submitted.said)?.[1] ?? assert.fail(submitted.said);
    for (const words of [["pause", id], ["jobs"], ["resume", id], ["workers"], ["status", id, "--watch"]])
      ends.push(await done(tiding(nats, "client", ...words)));
    assert.match(ends.at(-1)!.said, /finished/);
    for (const last of [coordinator, workers[1]!]) {
      leave(last);
      ends.push(await done(last));
    }

    const log = await nats.log();
    assert.doesNotMatch(log, /Violation/);
    assert.match(log, /MSG_PAYLOAD/);
    const kept = [...(await textsBelow(nats.storeDir)), ...(await textsBelow(world.folder))];
    for (const [file, text] of [...kept, ...ends.map(({ said }) => ["what was printed", said] as const)])
      for (const secret of [KEY, ...Object.values(PASSWORDS)])
        assert.ok(!text.includes(secret), `${secret} in ${file}`);
  });

  void test(`${version}: what a worker's user has no business with, the server refuses`, async () => {
    await using nats = await startDeployedNats(version, { config: "nats.conf" });
    await using coordinator = await transportOf(nats, "coordinator");
    const record = await coordinator.state.swap("job.4f1c", new Uint8Array([1]), null);
    await coordinator.tasks.put(JOB, 0, new Uint8Array([1]));
    await coordinator.inputs.put(JOB, 0, new Uint8Array([1]));
    await using worker = await connectionOf(nats, "worker");
    for (const subject of [
      ...FORBIDDEN_TO_ALL,
      ...STREAMS.flatMap((stream) => [`$JS.API.STREAM.CREATE.${stream}`, `$JS.API.STREAM.UPDATE.${stream}`]),
      "$JS.API.STREAM.CREATE.OTHER",
      ...STREAMS.map((stream) => `$JS.API.STREAM.PURGE.${stream}`),
      ...["TASKS", "INPUT", "LOG"].map((name) => `$JS.API.STREAM.MSG.DELETE.TIDING_${name}`),
      "$JS.API.STREAM.MSG.DELETE.KV_tiding_state",
      ...["DIRECT", "STREAM.MSG"].map((way) => `$JS.API.${way}.GET.TIDING_RESULTS`),
      "$JS.API.CONSUMER.CREATE.TIDING_TASKS",
      "$JS.API.CONSUMER.CREATE.TIDING_TASKS.4f1c.tiding.task.4f1c.>",
      "$JS.API.CONSUMER.DURABLE.CREATE.TIDING_TASKS.4f1c",
      "$JS.API.CONSUMER.DELETE.TIDING_TASKS.4f1c",
      "$JS.API.CONSUMER.CREATE.KV_tiding_state",
      "$JS.API.CONSUMER.CREATE.KV_tiding_state.mine.$KV.tiding_state.>",
      "$JS.API.CONSUMER.CREATE.TIDING_LOG.mine.tiding.log.>",
      "$JS.API.CONSUMER.CREATE.TIDING_RESULTS.mine.tiding.result.>",
      ...["job.4f1c", "probe.1", "submission.1", "standing.1", "coordinator.1", "lease/coordinator"].map(
        (key) => `$KV.tiding_state.${key}`,
      ),
      "tiding.task.4f1c.1",
      "tiding.input.4f1c.1",
      "_INBOX_coordinator.answer",
    ])
      await assert.rejects(worker.connection.request(subject), isViolation, subject);
    for (const subject of [
      "_INBOX_coordinator.>",
      "_INBOX_client.>",
      "_INBOX.>",
      ">",
      "tiding.log.>",
      "tiding.beat.>",
      "$KV.>",
      "$SYS.>",
    ])
      await refusedSubscription(worker.connection, subject);
    // Nothing came of all that.
    assert.equal((await coordinator.state.get("job.4f1c"))?.version, record);
    assert.deepEqual(await coordinator.tasks.counts(JOB), { ready: 1, inFlight: 0 });
  });

  void test(`${version}: a client's user submits and looks, and nothing else`, async () => {
    await using nats = await startDeployedNats(version, { config: "nats.conf" });
    await using coordinator = await transportOf(nats, "coordinator");
    await coordinator.state.swap("job.4f1c", new Uint8Array([1]), null);
    await using client = await openBroker(brokerOf(nats, "client"));
    const version1 = await client.state.swap("submission.one", new Uint8Array([1]), null);
    assert.equal((await client.state.list("job.")).length, 1);
    await client.state.swap("submission.one", new Uint8Array([2]), version1);
    await using raw = await connectionOf(nats, "client");
    for (const subject of [
      ...FORBIDDEN_TO_ALL,
      ...STREAMS.map((stream) => `$JS.API.STREAM.PURGE.${stream}`),
      ...["job.4f1c", "worker.1", "standing.one", "lease/coordinator"].map((key) => `$KV.tiding_state.${key}`),
      ...["task", "input", "log", "result", "beat"].map((kind) => `tiding.${kind}.4f1c.1`),
      ...["LOG", "RESULTS", "INPUT", "TASKS"].map((name) => `$JS.API.STREAM.MSG.GET.TIDING_${name}`),
      "$JS.API.CONSUMER.MSG.NEXT.TIDING_TASKS.4f1c",
    ])
      await assert.rejects(raw.connection.request(subject), isViolation, subject);
    for (const subject of ["_INBOX_coordinator.>", "_INBOX_worker.>", "tiding.>", ">"])
      await refusedSubscription(raw.connection, subject);
  });

  void test(`${version}: a worker takes back the parts of a batch that does not fit`, async () => {
    await using nats = await startDeployedNats(version, { config: "nats.conf" });
    await using coordinator = await transportOf(nats, "coordinator", { resultsBudgetBytes: 3_000_000 });
    await using worker = await transportOf(nats, "worker");
    await worker.results.put(JOB, 0, new Uint8Array(1_000_000));
    const { bytes } = await coordinator.results.usage();
    await assert.rejects(
      worker.results.put(JOB, 1, new Uint8Array(4_000_000)),
      (error: unknown) => error instanceof TransportError && error.fault === "full",
    );
    assert.equal((await coordinator.results.usage()).bytes, bytes);
  });
}

const STREAMS = ["TIDING_TASKS", "TIDING_INPUT", "TIDING_LOG", "TIDING_RESULTS", "KV_tiding_state"];
/** Not even the coordinator has these. */
const FORBIDDEN_TO_ALL = [
  ...STREAMS.flatMap((stream) => [`$JS.API.STREAM.DELETE.${stream}`, `$JS.API.STREAM.SNAPSHOT.${stream}`]),
  "$JS.API.STREAM.NAMES",
  "$JS.API.STREAM.LIST",
  "$JS.API.INFO",
  "$SYS.REQ.SERVER.PING",
];

void test("a coordinator's user deletes no stream, and keeps to its namespace", async () => {
  await using nats = await startDeployedNats("newest", { config: "nats.conf" });
  await using coordinator = await transportOf(nats, "coordinator");
  await using raw = await connectionOf(nats, "coordinator");
  const others = [
    "$JS.API.STREAM.CREATE.OTHER",
    "$JS.API.STREAM.PURGE.OTHER",
    "other.task.1.1",
    "$KV.other_state.job.1",
  ];
  for (const subject of [...FORBIDDEN_TO_ALL, ...others])
    await assert.rejects(raw.connection.request(subject), isViolation, subject);
  // Nor is it kept from what --replicas changes.
  for (const stream of STREAMS) await raw.connection.request(`$JS.API.STREAM.UPDATE.${stream}`);
  for (const subject of ["_INBOX_worker.>", ">", "$SYS.>"]) await refusedSubscription(raw.connection, subject);
  assert.equal(await coordinator.log.tail(JOB, 0), null);
});

function brokerOf(nats: DeployedNats, role: Role): BrokerOptions {
  const { TIDING_BROKER: address = "", TIDING_BROKER_INBOX: inboxPrefix = "" } = nats.environmentOf(role);
  return { address, inboxPrefix };
}

function transportOf(
  nats: DeployedNats,
  role: Role,
  options: { readonly resultsBudgetBytes?: number } = {},
): Promise<Transport> {
  const { address, inboxPrefix } = brokerOf(nats, role);
  return openNatsTransport({
    servers: address,
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    name: role,
    provision: role === "coordinator",
    signal: new AbortController().signal,
    ...options,
  });
}

/** The role's connection as anybody could open it who has its password. */
async function connectionOf(
  nats: DeployedNats,
  role: Role,
): Promise<AsyncDisposable & { readonly connection: NatsConnection }> {
  const connection = await connect({
    servers: `127.0.0.1:${nats.port}`,
    user: role,
    pass: passwordOf(role),
    inboxPrefix: `_INBOX_${role}`,
  });
  return { connection, [Symbol.asyncDispose]: () => connection.close() };
}

function isViolation(error: unknown): boolean {
  return error instanceof Error && [error, error.cause].some((each) => each instanceof errors.PermissionViolationError);
}

async function refusedSubscription(connection: NatsConnection, subject: string): Promise<void> {
  const error = await new Promise<Error | null>((resolve) => {
    connection.subscribe(subject, { callback: resolve });
    // The refusal comes before the answer to a ping that was sent after.
    void connection.flush().then(() => setImmediate(resolve, null));
  });
  assert.ok(isViolation(error), `The subscription to ${subject} was not refused.`);
}
