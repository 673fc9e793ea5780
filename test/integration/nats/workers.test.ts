/** What workers bring along and what they lack: keys, code, endpoints, and the broker itself. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { sharedBroker } from "../../../jobs/open-broker.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";
import { NatsWorld } from "../../support/nats-world.ts";

const SETTINGS = { leaseMs: 3_000, reconcileMs: 200 };
const SLOW = { latency: { distribution: "fixed", medianMs: 20 } } as const;
const elsewhere = { works: false, environment: {} } as const;

void test("keys live with workers: the coordinator needs none", async () => {
  await using world = await JobWorld.open(40);
  await using nats = await NatsWorld.open();
  const broker = sharedBroker(await nats.connect(), elsewhere);
  const notices: string[] = [];
  await nats.work({ surroundings: { environment: {} }, onNotice: (notice) => notices.push(notice) });
  const spec = world.spec({ llm: { api_key: "${LLM_KEY}" } });
  const running = world.run(spec, { broker, settings: SETTINGS });
  await nats.work({ surroundings: { environment: { LLM_KEY: "k-3141" } } });
  const report = await running;
  assert.deepEqual(report.rows, { accepted: 40, failed: 0, total: 40 }, JSON.stringify(report.error));
  assert.match(notices.join("\n"), /LLM_KEY/, "the worker without the key says what it lacks");
});

void test("a worker that has other code takes no shard and says so", async () => {
  await using world = await JobWorld.open(60, SLOW);
  await using nats = await NatsWorld.open();
  const taskOf = (suffix: string): string =>
    `export default { inputs: ["question"], outputs: { echo: "string" }, usesLLM: false,
      async run({ row }) { return { echo: row.question + "${suffix}" }; } };`;
  await writeFile(path.join(world.folder, "task.mjs"), taskOf("!"));
  const otherFolder = await mkdtemp(path.join(tmpdir(), "tiding-other-"));
  await writeFile(path.join(otherFolder, "task.mjs"), taskOf("?"));
  const broker = sharedBroker(await nats.connect(), elsewhere);
  const refused: string[] = [];
  const other = await nats.work({
    surroundings: { environment: {}, folder: otherFolder },
    onNotice: (notice) => refused.push(notice),
  });
  const running = world.run(world.spec({ steps: [{ task: "./task.mjs" }] }), { broker, settings: SETTINGS });
  while (refused.length === 0) await delay(20);
  await nats.work();
  const report = await running;
  assert.deepEqual(report.rows, { accepted: 60, failed: 0, total: 60 }, JSON.stringify(report.error));
  assert.match(refused[0]!, /not the one that the job began with/);
  assert.equal(other.rows, 0);
  await rm(otherFolder, { recursive: true });
});

void test("what is wrong with the job at one worker stops it for all, with that worker's reason", async () => {
  await using world = await JobWorld.open(200, { ...SLOW, failPrompts: ["question"] });
  await using nats = await NatsWorld.open();
  const broker = sharedBroker(await nats.connect(), elsewhere);
  await nats.work();
  const report = await world.run(world.spec(), { broker, settings: SETTINGS });
  assert.equal(report.outcome, "stopped");
  assert.equal(report.error?.code, "ROWS_FAIL_ALIKE");
});

void test("a broker that is killed and comes back is waited for, and nothing is lost", async () => {
  await using world = await JobWorld.open(900, SLOW);
  await using nats = await NatsWorld.open();
  const broker = sharedBroker(await nats.connect(), elsewhere);
  await nats.work();
  await nats.work();
  let outages = 0;
  let outage: Promise<void> = Promise.resolve();
  let isOut = false;
  const report = await world.run(world.spec(), {
    broker,
    settings: SETTINGS,
    onProgress: ({ rows }) => {
      if (isOut || rows.accepted < (outages + 1) * 250 || outages === 2) return;
      outages += 1;
      isOut = true;
      outage = nats.server
        .kill9()
        .then(() => delay(500))
        .then(() => nats.server.restart())
        .finally(() => (isOut = false));
    },
  });
  await outage;
  assert.deepEqual(report.rows, { accepted: 900, failed: 0, total: 900 }, JSON.stringify(report.error));
  assert.deepEqual(idsOf(await world.rows()), upTo(900));
  assert.equal(outages, 2);
});

void test("a worker that joins late takes its share, and one that leaves loses nothing", async () => {
  await using world = await JobWorld.open(600, SLOW);
  await using nats = await NatsWorld.open();
  const broker = sharedBroker(await nats.connect(), elsewhere);
  const first = await nats.work();
  const leaving = new AbortController();
  let isLeaving = false;
  let late: Awaited<ReturnType<NatsWorld["work"]>> | null = null;
  let left: Promise<void> = Promise.resolve();
  const report = await world.run(world.spec(), {
    broker,
    settings: SETTINGS,
    onProgress: ({ rows }) => {
      if (rows.accepted < 150 || isLeaving) return;
      isLeaving = true;
      left = nats.work().then(async (host) => {
        late = host;
        await first.drain(leaving.signal);
      });
    },
  });
  await left;
  assert.deepEqual(report.rows, { accepted: 600, failed: 0, total: 600 }, JSON.stringify(report.error));
  assert.ok(late !== null && (late as { rows: number }).rows > 0);
  assert.equal(world.simulator.stats().answers, 600);
});

void test("a run that is asked to leave while the broker is gone leaves, and the next one goes on", async () => {
  await using world = await JobWorld.open(400, SLOW);
  await using nats = await NatsWorld.open();
  const broker = sharedBroker(await nats.connect(), elsewhere);
  await nats.work();
  const drain = new AbortController();
  let isGone = false;
  const notices: string[] = [];
  const first = await world.run(world.spec({ run: { grace: "100ms" } }), {
    broker,
    settings: { ...SETTINGS, patienceMs: 300 },
    drain: drain.signal,
    onNotice: (notice) => notices.push(notice),
    onProgress: ({ rows }) => {
      if (rows.accepted < 100 || isGone) return;
      isGone = true;
      void nats.server.kill9().then(() => drain.abort());
    },
  });
  assert.equal(first.outcome, "interrupted", JSON.stringify(first.error));
  assert.match(notices.join("\n"), /broker cannot be reached/);
  await nats.server.restart();
  const second = await world.run(world.spec({ run: { grace: "100ms" } }), { broker, settings: SETTINGS });
  assert.deepEqual(second.rows, { accepted: 400, failed: 0, total: 400 }, JSON.stringify(second.error));
  assert.deepEqual(idsOf(await world.rows()), upTo(400));
});
