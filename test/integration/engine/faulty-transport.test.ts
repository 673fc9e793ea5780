/** Jobs over a transport that is late, repeats tasks and leaves the outcome of writes unknown: each row lands once all the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startSimulator } from "../../../bench/simulator/simulator.ts";
import { readManifest } from "../../../coordinator/output/output-directory.ts";
import { retryJob } from "../../../jobs/retry-job.ts";
import { runJob } from "../../../jobs/run-job.ts";
import { specFromObject } from "../../../shared/spec/load-spec.ts";
import { unnamedFiles } from "../../support/committed-rows.ts";
import { faultyTransport } from "../../support/faulty-transport.ts";
import { answerOf, JobWorld, questionOf, upTo } from "../../support/job-world.ts";
import { seededRandom } from "../../support/seeded-random.ts";

const LATENCY = { latency: { distribution: "lognormal", medianMs: 8, sigma: 1 } } as const;

function settings(seed: number) {
  const random = seededRandom(seed);
  return {
    leaseMs: 1_500,
    reconcileMs: 100,
    resultsBudgetBytes: 150_000,
    segmentBytes: 60_000,
    wrapTransport: (inner: Parameters<typeof faultyTransport>[0]) => faultyTransport(inner, { random }),
  };
}

for (const seed of [1, 2, 3]) {
  void test(`a job over a faulty transport, seed ${seed}`, { timeout: 60_000 }, async () => {
    await using world = await JobWorld.open(400, LATENCY);
    const report = await world.run(world.spec({ output: { part_bytes: 15_000 } }), { settings: settings(seed) });
    assert.deepEqual(report.rows, { accepted: 400, failed: 0, total: 400 }, JSON.stringify(report.error));
    const rows = await world.rows();
    assert.deepEqual(
      rows.map(({ question }) => question),
      upTo(400).map((row) => questionOf(row)),
    );
    for (const [row, { generation }] of rows.entries()) assert.ok(String(generation).startsWith(answerOf(row)));
  });
}

void test(
  "a job, its resumption and a retry over a faulty transport, without row ids in the dataset",
  { timeout: 60_000 },
  async () => {
    await using world = await JobWorld.open(300, { ...LATENCY, failPrompts: ["question 1", "question 22"] });
    const spec = world.spec({ output: { part_bytes: 8_000, metadata: false } });
    const drain = new AbortController();
    const first = world.run(spec, {
      settings: settings(4),
      drain: drain.signal,
      onStep: (step) => {
        if (step === "part-linked") drain.abort();
      },
    });
    assert.equal((await first).outcome, "interrupted");
    const second = await world.run(spec, { settings: settings(5) });
    const failed = upTo(300).filter((row) => /question (1|22)/.test(questionOf(row))).length;
    assert.deepEqual(second.rows, { accepted: 300 - failed, failed, total: 300 }, JSON.stringify(second.error));
    const port = Number(new URL(world.simulator.url).port);
    await world.simulator.close();
    await using mended = await startSimulator({ port, ...LATENCY, failPrompts: ["question 22"] });
    const stillFailing =
      ["question 22."].length + upTo(300).filter((row) => /question 22\d/.test(questionOf(row))).length;
    const half = await retryJob({ output: world.output, overrides: [], environment: {}, settings: settings(6) });
    assert.deepEqual(half.rows, { accepted: 300 - stillFailing, failed: stillFailing, total: 300 });
    await mended.close();
    await using whole = await startSimulator({ port, ...LATENCY });
    const last = await retryJob({ output: world.output, overrides: [], environment: {}, settings: settings(7) });
    assert.deepEqual(last.rows, { accepted: 300, failed: 0, total: 300 }, JSON.stringify(last.error));
    assert.ok(whole.stats().answers >= stillFailing);
    assert.deepEqual(
      (await world.rows()).map(({ question }) => question),
      upTo(300).map((row) => questionOf(row)),
    );
    const manifest = await readManifest(world.output);
    assert.ok(manifest !== null);
    assert.deepEqual(await unnamedFiles(world.output, manifest), []);
    const finished = await runJob({
      loaded: specFromObject(spec, { folder: world.folder, environment: {} }),
      environment: {},
    });
    assert.equal(finished.outcome, "finished");
  },
);
