import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { startSimulator } from "../../bench/simulator/simulator.ts";
import { jobStatus } from "../../jobs/job-status.ts";
import { retryJob } from "../../jobs/retry-job.ts";
import { runJob } from "../../jobs/run-job.ts";
import { isTidingError } from "../../shared/errors.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";
import { JobWorld } from "../support/job-world.ts";

void test("a job is retried, extended, and retried again without a row going astray", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-retry-"));
  const port = { last: 0 };
  const rows = Array.from({ length: 120 }, (_, row) => `${JSON.stringify({ question: `question ${row}` })}\n`);
  await writeFile(path.join(folder, "rows.jsonl"), rows.join(""));
  const output = path.join(folder, "out");
  const run = (limit: number, url: string) => {
    const spec = {
      input: { path: "rows.jsonl", limit },
      steps: [{ task: "text-generation", columns: { instruction: "question" }, llm: { base_url: url } }],
      output: { path: "out" },
      run: { shard_rows: 16 },
    };
    return runJob({ loaded: specFromObject(spec, { folder, environment: {} }), environment: {} });
  };
  const served = async <T>(failPrompts: string[], use: (url: string) => Promise<T>): Promise<T> => {
    await using simulator = await startSimulator({ port: port.last, failPrompts });
    port.last = Number(new URL(simulator.url).port);
    return await use(simulator.url);
  };

  const first = await served(["question 7", "question 42"], (url) => run(100, url));
  // "question 7" is part of "question 70" to "question 79" too.
  assert.deepEqual(first.rows, { accepted: 88, failed: 12, total: 100 });
  const half = await served(["question 7"], () => retryJob({ output, overrides: [], environment: {} }));
  assert.deepEqual(half.rows, { accepted: 89, failed: 11, total: 100 });
  const extended = await served([], (url) => run(120, url));
  assert.deepEqual(extended.rows, { accepted: 109, failed: 11, total: 120 });
  assert.equal(extended.run.calls.answers, 20);
  const whole = await served([], () => retryJob({ output, overrides: ["run.attempts=2"], environment: {} }));
  assert.deepEqual(whole.rows, { accepted: 120, failed: 0, total: 120 });
  assert.equal(whole.run.calls.answers, 11);
  assert.deepEqual(await readdir(path.join(output, "failed")), []);
  await rm(folder, { recursive: true });
});

void test("a retry that cannot begin lets go of the output", async () => {
  await using world = await JobWorld.open(20, { failPrompts: ["question 7"] });
  const report = await world.run(world.spec());
  assert.equal(report.rows.failed, 1);
  const table = path.join(world.output, ".tiding");
  for (const name of await readdir(table)) if (name.startsWith("shards.")) await rm(path.join(table, name));
  // The second try would find the output in use by the first.
  for (const _ of [1, 2]) {
    await assert.rejects(
      retryJob({ output: world.output, overrides: [], environment: {} }),
      (error) => isTidingError(error) && error.code === "OUTPUT_DAMAGED",
    );
    assert.equal((await jobStatus(world.output)).state, "finished-with-failed-rows");
  }
});
