/** Whole jobs whose answers come by offline batches: submitting, parking, collecting, and what they do not go with. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { runCli } from "../../cli/main.ts";
import { jobStatus } from "../../jobs/job-status.ts";
import { previewJob } from "../../jobs/preview-job.ts";
import type { RunJobOptions } from "../../jobs/run-job.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";
import { startBatchServer } from "../support/batch-server.ts";
import { haveOwnAnswers, openBatchWorld, sizesOf } from "../support/batch-world.ts";
import { cliWorld } from "../support/cli-world.ts";
import { idsOf, upTo, type JobWorld } from "../support/job-world.ts";

function batchFolder(world: JobWorld): string {
  return path.join(world.output, ".tiding", "batches");
}

void test("a run submits and parks, later runs collect, and each row lands once with its own answer", async () => {
  await using it = await openBatchWorld(40);
  const { outcomes, report } = await it.toItsEnd(it.spec({ llm: { class: "OpenAILLM" } }));
  assert.deepEqual(outcomes, ["parked", "parked", "parked", "finished"]);
  assert.deepEqual(report.rows, { accepted: 40, failed: 0, total: 40 });
  const rows = await it.world.rows();
  assert.deepEqual(idsOf(rows), upTo(40));
  assert.ok(haveOwnAnswers(rows));
  assert.deepEqual([it.server.batches.length, it.server.uploads, it.server.directCalls], [1, 1, 0]);
  assert.ok(!existsSync(batchFolder(it.world)), "nothing of the batches is left");
  // Requests that were only looked up in rehearsal are no requests of the job.
  assert.equal(report.run.calls.answers, 40);
  const status = await jobStatus(it.world.output);
  assert.deepEqual([status.state, status.batches], ["finished", undefined]);
});

void test("a parked job holds no lease, and its status shows the batch with its counts", async () => {
  await using it = await openBatchWorld(12);
  const spec = it.spec();
  const parked = await it.world.run(spec);
  assert.equal(parked.outcome, "parked");
  assert.deepEqual(
    parked.batches?.map(({ number, id, requests }) => [number, id, requests]),
    [[1, "batch_1", 12]],
  );
  assert.equal(parked.error, null);
  const again = await it.world.run(spec);
  assert.deepEqual(
    again.batches?.map(({ status, completed }) => [status, completed]),
    [["in_progress", 6]],
  );
  const status = await jobStatus(it.world.output);
  assert.deepEqual([status.state, status.owner, status.rows.committed], ["parked", null, 0]);
  assert.deepEqual(status.batches, again.batches);
  assert.equal(status.batches?.[0]?.failed, 0);
  assert.match(status.batches?.[0]?.expiresAt ?? "", /^\d{4}-\d\d-\d\dT/);
});

void test("the command line prints what it submitted, and exits with 4 until it is collected", async () => {
  await using it = await openBatchWorld(5);
  const file = path.join(it.world.folder, "job.json");
  await writeFile(file, JSON.stringify(it.spec()));
  const codes: number[] = [];
  let first = "";
  do {
    const context = cliWorld();
    codes.push(await runCli(["run", file], context));
    if (codes.length === 1) first = context.stdout.text + context.stderr.text;
  } while (codes.at(-1) === 4 && codes.length < 10);
  assert.deepEqual(codes, [4, 4, 4, 0]);
  assert.match(first, /Submitted batch 1 to http:\/\/127\.0\.0\.1:\d+: 5 requests, batch_1\./);
  assert.match(first, /parked, waiting for offline batches/);
  assert.match(first, /batch 1 +batch_1/);
  assert.match(first, /To collect what is ready:\n +tiding run /);
  const looked = cliWorld();
  assert.equal(await runCli(["status", it.world.output], looked), 0);
  assert.match(looked.stdout.text, /finished/);
});

void test("status on the command line shows a parked job's batches", async () => {
  await using it = await openBatchWorld(5);
  await it.world.run(it.spec());
  const context = cliWorld();
  assert.equal(await runCli(["status", it.world.output], context), 0);
  assert.match(context.stdout.text, /parked, waiting for offline batches/);
  assert.match(context.stdout.text, /batch 1 +batch_1 .*validating .*0 of 5 requests done .*expires /);
  assert.match(context.stdout.text, /given again, collects what is ready/);
  assert.equal(await runCli(["status", it.world.output, "--watch"], cliWorld()), 4);
});

void test("with block_until_done one run waits for its batches", async () => {
  await using it = await openBatchWorld(9);
  const notices: string[] = [];
  const spec = it.spec({ llm: { offline_batch_generation_block_until_done: "20ms" } });
  const report = await it.world.run(spec, { onNotice: (notice) => notices.push(notice) });
  assert.deepEqual([report.outcome, report.rows.accepted], ["finished", 9]);
  assert.ok(
    notices.some((notice) => /^Waiting for a batch: 4 of 9 requests done\. Looking every 0\.02 s\.$/.test(notice)),
    notices.join("\n"),
  );
  assert.ok(notices.some((notice) => /^Batch 1 has ended \(completed\): 9 of 9 requests came back\.$/.test(notice)));
});

void test("an interruption while it waits leaves the batch to the next run", async () => {
  await using it = await openBatchWorld(4);
  it.server.statuses = ["validating", ...Array.from({ length: 50 }, () => "in_progress"), "completed"];
  const drain = new AbortController();
  const waiting = it.world.run(it.spec({ llm: { offline_batch_generation_block_until_done: "10m" } }), {
    drain: drain.signal,
    onNotice: (notice) => notice.startsWith("Waiting") && drain.abort(),
  });
  assert.equal((await waiting).outcome, "interrupted");
  assert.equal((await jobStatus(it.world.output)).state, "parked");
  it.server.batches[0]!.statuses = ["completed"];
  const { report } = await it.toItsEnd(it.spec());
  assert.deepEqual([report.outcome, it.server.batches.length], ["finished", 1]);
});

void test("requests beyond a batch's limits go into several batches", async () => {
  await using it = await openBatchWorld(25);
  const settings = { batchLimits: { requests: 10, bytes: 1e8 } };
  const { report } = await it.toItsEnd(it.spec(), { settings });
  assert.equal(report.rows.accepted, 25);
  assert.deepEqual(sizesOf(it.server), [10, 10, 5]);
  await using small = await openBatchWorld(10);
  const line = 400;
  await small.toItsEnd(small.spec(), { settings: { batchLimits: { requests: 50, bytes: 2 * line } } });
  for (const batch of small.server.batches) {
    const bytes = Buffer.byteLength(small.server.file(`file-${small.server.batches.indexOf(batch) + 1}`));
    assert.ok(bytes <= 2 * line, `${bytes}`);
  }
  assert.ok(small.server.batches.length > 1);
});

void test("a larger limit asks for the new rows alone", async () => {
  await using it = await openBatchWorld(20);
  await it.toItsEnd(it.spec({ input: { limit: 8 } }));
  const { report } = await it.toItsEnd(it.spec({ input: { limit: 14 } }));
  assert.deepEqual(report.rows, { accepted: 14, failed: 0, total: 14 });
  assert.deepEqual(sizesOf(it.server), [8, 6]);
  assert.deepEqual(idsOf(await it.world.rows()), upTo(14));
});

void test("several generations a row are so many requests", async () => {
  await using it = await openBatchWorld(4);
  const { llm } = it;
  const step = { task: "text-generation", columns: { instruction: "question" }, llm, num_generations: 3 };
  const { report } = await it.toItsEnd(it.spec({ steps: [step] }));
  assert.equal(report.rows.accepted, 4);
  assert.deepEqual(sizesOf(it.server), [12]);
  assert.equal(new Set((await it.world.rows()).map(({ generation }) => generation)).size, 12);
});

void test("a spec that would give other rows is refused while batches are paid for", async () => {
  await using it = await openBatchWorld(3);
  await it.world.run(it.spec());
  const other = it.spec({ llm: { generation_kwargs: { temperature: 0.5 } } });
  await assert.rejects(it.world.run(other), { code: "OUTPUT_OTHER_JOB" });
  const { report } = await it.toItsEnd(it.spec());
  assert.deepEqual([report.outcome, it.server.batches.length], ["finished", 1]);
});

void test("batches that another server has are not looked for at this one", async () => {
  await using it = await openBatchWorld(3);
  await using elsewhere = await startBatchServer();
  await it.world.run(it.spec());
  const report = await it.world.run(it.spec({ llm: { base_url: elsewhere.url } }));
  assert.deepEqual([report.outcome, report.error?.code], ["stopped", "USAGE"]);
  assert.equal(elsewhere.batches.length, 0);
});

void test("with a broker it is refused before anything is opened", async () => {
  await using it = await openBatchWorld(1);
  const broker: RunJobOptions["broker"] = {
    open: () => assert.fail("opened"),
    works: false,
    environment: {},
  };
  await assert.rejects(it.world.run(it.spec(), { broker }), {
    code: "USAGE",
    place: "steps.0.llm.use_offline_batch_generation",
  });
  assert.deepEqual([existsSync(it.world.output), it.server.asked.length], [false, 0]);
});

void test("a preview asks the server itself", async () => {
  await using it = await openBatchWorld(3);
  const loaded = specFromObject(it.spec(), { folder: it.world.folder, environment: {} });
  const rows = await previewJob({ loaded, environment: {}, rows: 2 });
  assert.deepEqual([rows.length, it.server.directCalls, it.server.batches.length], [2, 2, 0]);
  assert.deepEqual(await readdir(it.world.folder), ["rows.jsonl"]);
});
