/** Batches that were spilled: small on disk, and never taken for what they are not. */
import assert from "node:assert/strict";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { startSimulator } from "../../../bench/simulator/simulator.ts";
import { readManifest } from "../../../coordinator/output/output-directory.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";

const ROWS = 600;
const HANGING = "question 3.";

/** Runs the job with a row that hangs until its neighbours are spilled, and stops it then. */
async function spilledWorld(): Promise<JobWorld> {
  const world = await JobWorld.open(ROWS, { hangPrompts: [HANGING], answerChars: 400 });
  const stop = new AbortController();
  const { outcome } = await world.run(world.spec(), {
    stop: stop.signal,
    settings: { resultsBudgetBytes: 100_000 },
    onStep: (step) => void (step === "spill-recorded" && stop.abort()),
  });
  assert.equal(outcome, "interrupted");
  return world;
}

async function spillFile(world: JobWorld): Promise<string> {
  const folder = path.join(world.output, ".tiding", "spills");
  const [name] = await readdir(folder);
  assert.ok(name !== undefined);
  return path.join(folder, name);
}

void test("spilled batches are packed, and land as they were", { timeout: 60_000 }, async () => {
  await using world = await spilledWorld();
  const batches = (await readManifest(world.output))?.spills.flatMap((spill) => spill.batches) ?? [];
  const bytes = batches.reduce((sum, batch) => sum + batch.bytes, 0);
  const { size } = await stat(await spillFile(world));
  assert.ok(size < bytes / 2, `${size} bytes on disk for batches of ${bytes} bytes`);
  await using willing = await startSimulator({ answerChars: 400 });
  const report = await world.run(world.spec({ llm: { base_url: willing.url } }));
  assert.deepEqual(report.rows, { accepted: ROWS, failed: 0, total: ROWS });
  assert.deepEqual(idsOf(await world.rows()), upTo(ROWS));
});

void test("a spill file whose bytes changed stops the job and lands nothing of it", { timeout: 60_000 }, async () => {
  await using world = await spilledWorld();
  const file = await spillFile(world);
  const bytes = await readFile(file);
  await writeFile(file, bytes.fill(0, 0, 64));
  await using willing = await startSimulator({ answerChars: 400 });
  const report = await world.run(world.spec({ llm: { base_url: willing.url } }));
  assert.equal(report.error?.code, "STORE_DAMAGED");
  assert.match(report.error.message, /spills/);
});
