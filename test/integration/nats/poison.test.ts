/** A row that takes its worker down, on workers that are processes of their own. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { sharedBroker } from "../../../jobs/open-broker.ts";
import { startWorkerProcess, type WorkerProcess } from "../../support/job-process.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";
import { NatsWorld } from "../../support/nats-world.ts";

const LEASE_MS = 600;
const POISON = 21;

void test(
  "a row that kills its worker is quarantined alone, and its neighbours land",
  { timeout: 120_000 },
  async () => {
    await using world = await JobWorld.open(48);
    await using nats = await NatsWorld.open();
    const transport = await nats.connect({ leaseMs: LEASE_MS });
    await writeFile(
      path.join(world.folder, "task.mjs"),
      `export default { inputs: ["question"], outputs: { echo: "string" }, usesLLM: false,
      async run({ row }) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (row.question === "question ${POISON}.") process.abort();
        return { echo: row.question };
      } };`,
    );
    const order = { address: nats.server.url, leaseMs: LEASE_MS, crash: null };
    const workers = new Set<WorkerProcess>();
    let isOver = false;
    let deaths = 0;
    const hire = (): void => {
      const worker = startWorkerProcess(order);
      workers.add(worker);
      void worker.ended.then(() => {
        workers.delete(worker);
        if (isOver) return;
        deaths += 1;
        hire();
      });
    };
    hire();
    hire();
    const report = await world.run(world.spec({ steps: [{ task: "./task.mjs" }] }), {
      broker: sharedBroker(transport, { works: false, environment: {} }),
      settings: { leaseMs: LEASE_MS, reconcileMs: 100 },
    });
    isOver = true;
    const ended = [...workers].map((worker) => worker.ended);
    for (const worker of workers) worker.kill("SIGTERM");
    await Promise.all(ended);
    assert.deepEqual(report.rows, { accepted: 47, failed: 1, total: 48 }, JSON.stringify(report.error));
    assert.deepEqual(
      idsOf(await world.rows()),
      upTo(48).filter((row) => row !== POISON),
    );
    const failed = await world.rows("failed");
    assert.deepEqual(idsOf(failed), [POISON]);
    assert.equal(report.failures[0]?.code, "ROW_POISON");
    assert.ok(deaths >= 3, `${deaths} deaths`);
  },
);
