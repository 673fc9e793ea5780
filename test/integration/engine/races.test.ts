/** What another run does to the output between this run's looking and its taking. */
import assert from "node:assert/strict";
import { readdir, readlink } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { startSimulator } from "../../../bench/simulator/simulator.ts";
import { readManifest } from "../../../coordinator/output/output-directory.ts";
import { retryJob } from "../../../jobs/retry-job.ts";
import { isTidingError } from "../../../shared/errors.ts";
import type { ProtocolStep } from "../../../shared/protocol/protocol-step.ts";
import { unnamedFiles } from "../../support/committed-rows.ts";
import { startJobProcess } from "../../support/job-process.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";
import { sendJson, startScriptedServer, TGI_INFO } from "../../support/scripted-server.ts";
import { withResolvers } from "../../support/with-resolvers.ts";

void test("a job that was begun by another spec, while this one asked its endpoint, is not gone on with", async () => {
  await using world = await JobWorld.open(20);
  const asked = withResolvers<void>();
  const answer = withResolvers<void>();
  await using slow = await startScriptedServer(async (_request, response) => {
    asked.resolve();
    await answer.promise;
    sendJson(response, TGI_INFO);
  });
  const late = world.run(world.spec({ llm: { base_url: slow.url, model_id: "some/model" }, run: { seed: 7 } }));
  await asked.promise;
  assert.equal((await world.run(world.spec())).outcome, "finished");
  const before = await readManifest(world.output);
  answer.resolve();
  await assert.rejects(late, (error) => isTidingError(error) && error.code === "OUTPUT_IN_USE");
  assert.deepEqual(await readManifest(world.output), before);
});

void test("a retry that was killed behind its last landing is finished by the same command", async () => {
  await using world = await JobWorld.open(64, { failPrompts: ["question 1", "question 50"] });
  await world.run(world.spec());
  const port = Number(new URL(world.simulator.url).port);
  await world.simulator.close();
  await using mended = await startSimulator({ port });
  const retry = { output: world.output, overrides: [] };
  const killed = startJobProcess({
    folder: world.folder,
    spec: null,
    retry,
    crash: { step: "batches-dropped", count: 1 },
  });
  assert.equal((await killed.ended).signal, "SIGKILL");
  const { answers } = mended.stats();
  const report = await retryJob({ ...retry, environment: {} });
  assert.deepEqual([report.outcome, report.rows], ["finished", { accepted: 64, failed: 0, total: 64 }]);
  assert.equal(mended.stats().answers, answers);
  const manifest = await readManifest(world.output);
  assert.deepEqual([manifest?.state, manifest?.retry], ["finished", null]);
  assert.deepEqual(idsOf(await world.rows()), upTo(64));
  assert.equal((await world.run(world.spec())).outcome, "finished");
});

void test("a job that is drained while it puts its parts in order leaves nothing running behind", async () => {
  const slow = { latency: { distribution: "lognormal", medianMs: 10, sigma: 1.75 } } as const;
  await using world = await JobWorld.open(400, slow);
  const drain = new AbortController();
  const spec = world.spec({ output: { part_bytes: 6_000 }, run: { shard_rows: 4 } });
  const report = await world.run(spec, {
    drain: drain.signal,
    onStep: (step) => {
      if (step === "parts-merged") drain.abort();
    },
  });
  assert.ok(drain.signal.aborted, "no parts were out of order");
  const manifest = await readManifest(world.output);
  assert.ok(manifest !== null);
  assert.deepEqual([manifest.owner, manifest.state], [null, report.outcome]);
  assert.deepEqual(await unnamedFiles(world.output, manifest), []);
  assert.deepEqual(await readdir(path.join(world.output, ".tiding", "spills")), []);
  assert.equal((await world.run(spec)).outcome, "finished");
  assert.deepEqual(idsOf(await world.rows()), upTo(400));
});

/** Files below a folder that this process has open; none where there is no /proc. */
async function openFiles(folder: string): Promise<readonly string[]> {
  const descriptors = await readdir("/proc/self/fd").catch(() => []);
  const files = await Promise.all(descriptors.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => "")));
  return files.filter((file) => file.startsWith(folder));
}

void test("a job that is drained while it reads its input leaves no file open", async () => {
  await using world = await JobWorld.open(400, { latency: { distribution: "fixed", medianMs: 20 } });
  const drain = new AbortController();
  const onStep = (step: ProtocolStep): void => void (step === "batch-recorded" && drain.abort());
  assert.equal((await world.run(world.spec(), { drain: drain.signal, onStep })).outcome, "interrupted");
  assert.deepEqual(await openFiles(world.folder), []);
});
