/** `--broker nats:spawn`: a nats-server of the job's own, which ends with the job and not before. */
import assert from "node:assert/strict";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openJobBroker } from "../../../jobs/open-broker.ts";
import type { JobReport } from "../../../shared/observe/job-report.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";

const ROWS = 600;
const SLOTS = 8;

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Runs a job over a server of its own; `midway` is called once, when a third of its rows is answered. */
async function overOwnServer(
  world: JobWorld,
  midway: (server: { readonly pid: number; readonly folder: string }, notices: readonly string[]) => Promise<void>,
): Promise<{ readonly report: JobReport; readonly notices: readonly string[]; readonly pids: readonly number[] }> {
  const folder = path.join(world.output, ".tiding", "nats");
  const pidFile = path.join(folder, "nats-server.pid");
  const notices: string[] = [];
  const pids: number[] = [];
  const told: Promise<void>[] = [];
  await using opened = await openJobBroker(
    { address: "nats:spawn" },
    {
      works: true,
      environment: {},
      stop: new AbortController().signal,
      onNotice: (notice) => notices.push(notice),
    },
  );
  const report = await world.run(world.spec({ llm: { slots: SLOTS } }), {
    broker: opened.broker,
    settings: { reconcileMs: 200 },
    onProgress: ({ rows }) => {
      if (rows.accepted < ROWS / 3 || told.length > 0) return;
      told.push(
        (async () => {
          pids.push(Number(await readFile(pidFile, "utf8")));
          await midway({ pid: pids[0]!, folder }, notices);
        })(),
      );
    },
  });
  await Promise.all(told);
  assert.equal(pids.length, 1);
  return { report, notices, pids };
}

async function assertWhole(world: JobWorld, report: JobReport): Promise<void> {
  assert.deepEqual(report.rows, { accepted: ROWS, failed: 0, total: ROWS }, JSON.stringify(report.error));
  assert.deepEqual(idsOf(await world.rows()), upTo(ROWS));
}

void test("a job of its own server tells where workers may join, and leaves no server behind", async () => {
  await using world = await JobWorld.open(ROWS, { latency: { distribution: "fixed", medianMs: 10 } });
  const { report, notices, pids } = await overOwnServer(world, ({ pid }) => {
    assert.ok(isAlive(pid));
    return Promise.resolve();
  });
  await assertWhole(world, report);
  assert.match(notices.join("\n"), /^A nats-server \S+ runs at (nats:\S+): tiding worker --broker \1$/);
  assert.deepEqual(pids.filter(isAlive), []);
});

void test("a server that is killed is started again on its store, and the job goes on by itself", async () => {
  await using world = await JobWorld.open(ROWS, { latency: { distribution: "fixed", medianMs: 20 } });
  const { report, notices } = await overOwnServer(world, ({ pid }) => {
    process.kill(pid, "SIGKILL");
    return Promise.resolve();
  });
  await assertWhole(world, report);
  assert.match(notices.join("\n"), /The nats-server of this job ended \(SIGKILL\) and is started again/);
  const { requests } = world.simulator.stats();
  assert.ok(requests - ROWS <= SLOTS, `${requests - ROWS} requests were sent twice with ${SLOTS} slots`);
});

void test("a server that does not start again says so once, and is tried until it does", async () => {
  await using world = await JobWorld.open(ROWS, { latency: { distribution: "fixed", medianMs: 20 } });
  const { report, notices } = await overOwnServer(world, async ({ pid, folder }, soFar) => {
    const jetstream = path.join(folder, "jetstream");
    process.kill(pid, "SIGKILL");
    await rename(jetstream, `${jetstream}.away`);
    await writeFile(jetstream, "");
    while (!soFar.some((notice) => notice.includes("did not start"))) {
      await delay(20);
    }
    await rm(jetstream);
    await rename(`${jetstream}.away`, jetstream);
  });
  await assertWhole(world, report);
  assert.equal(notices.filter((notice) => notice.includes("did not start")).length, 1, notices.join("\n"));
});
