/** Processes that die, sleep, race and are stopped, over one output. The chaos driver does the same at random and at length. */
import assert from "node:assert/strict";
import { appendFile, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import { startSimulator } from "../../../bench/simulator/simulator.ts";
import { readManifest } from "../../../coordinator/output/output-directory.ts";
import { retryJob } from "../../../jobs/retry-job.ts";
import { isTidingError } from "../../../shared/errors.ts";
import type { ChildOrder } from "../../chaos/run-job-child.ts";
import { startJobProcess, type JobProcess } from "../../support/job-process.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";

const SLOW = { latency: { distribution: "fixed", medianMs: 40 } } as const;
const SETTINGS = { leaseMs: 2_000, reconcileMs: 100 };

function start(
  world: JobWorld,
  spec: object,
  order: { takeoverMs?: number; through?: readonly string[]; crash?: NonNullable<ChildOrder["crash"]> } = {},
): JobProcess {
  const { through = [], ...rest } = order;
  return startJobProcess({ folder: world.folder, spec, settings: SETTINGS, ...rest }, through);
}

/** Waits until the endpoint has given this many answers. */
async function answered(world: JobWorld, count: number): Promise<void> {
  while (world.simulator.stats().answers < count) await pause(5);
}

async function finishedAsMeant(world: JobWorld, spec: object, rows: number): Promise<void> {
  const report = await world.run(spec, { takeoverMs: 2_000 });
  assert.deepEqual(report.rows, { accepted: rows, failed: 0, total: rows }, JSON.stringify(report.error));
  assert.deepEqual(idsOf(await world.rows()), upTo(rows));
}

void test("of two runs started on one output at the same moment one runs, and the other is told why not", async () => {
  await using world = await JobWorld.open(120, SLOW);
  const both = [start(world, world.spec()), start(world, world.spec())];
  const ends = await Promise.all(both.map((job) => job.ended));
  const reports = ends.flatMap(({ result }) => result?.report ?? []);
  const errors = ends.flatMap(({ result }) => result?.error?.code ?? []);
  assert.deepEqual(
    reports.map(({ rows }) => rows.accepted),
    [120],
    JSON.stringify(ends),
  );
  assert.deepEqual(errors, ["OUTPUT_IN_USE"]);
  assert.equal(world.simulator.stats().answers, 120);
});

void test("a sleeping owner that wakes after a second took over undoes nothing", async () => {
  await using world = await JobWorld.open(400, SLOW);
  const spec = world.spec({ output: { part_bytes: 10_000 } });
  const sleeper = start(world, spec);
  await answered(world, 60);
  sleeper.kill("SIGSTOP");
  const successor = start(world, spec, { takeoverMs: 1_500 });
  await answered(world, 200);
  sleeper.kill("SIGCONT");
  const [slept, finished] = await Promise.all([sleeper.ended, successor.ended]);
  assert.equal(slept.result?.report?.error?.code ?? slept.result?.error?.code, "OWNERSHIP_LOST", JSON.stringify(slept));
  assert.deepEqual(finished.result?.report?.rows, { accepted: 400, failed: 0, total: 400 }, JSON.stringify(finished));
  assert.deepEqual(idsOf(await world.rows()), upTo(400));
});

void test("a process killed in its work is taken up again at once, and no committed row is asked for again", async () => {
  await using world = await JobWorld.open(200, SLOW);
  const job = start(world, world.spec(), { crash: { step: "batch-recorded", count: 5 } });
  assert.equal((await job.ended).signal, "SIGKILL");
  const before = world.simulator.stats();
  await finishedAsMeant(world, world.spec(), 200);
  // What the first life had answered and not committed is asked for again: at most a slot's worth and a flush.
  assert.ok(world.simulator.stats().answers <= 200 + before.answers - 5);
});

void test("a torn tail of the log is cut off, garbage behind it too", async () => {
  for (const tear of ["cut", "garbage"] as const) {
    await using world = await JobWorld.open(200, SLOW);
    const job = start(world, world.spec());
    await answered(world, 80);
    job.kill("SIGKILL");
    await job.ended;
    const log = path.join(world.output, ".tiding", "log");
    const newest =
      (await readdir(log))
        .filter((name) => name.endsWith(".wal"))
        .toSorted()
        .at(-1) ?? "";
    const file = path.join(log, newest);
    if (tear === "cut") await truncate(file, (await stat(file)).size - 7);
    else await appendFile(file, Buffer.alloc(40, 0xab));
    await finishedAsMeant(world, world.spec(), 200);
  }
});

void test("a full disk stops the job with what is committed kept, and the job goes on when there is space", async () => {
  await using world = await JobWorld.open(600, { latency: { distribution: "fixed", medianMs: 5 } });
  // No file may grow beyond 96 KiB: what a full disk is to the one that writes.
  const job = start(world, world.spec(), { through: ["prlimit", "--fsize=98304"] });
  const { result, stderr } = await job.ended;
  assert.equal(result?.report?.error?.code ?? result?.error?.code, "DISK_FULL", stderr);
  await finishedAsMeant(world, world.spec(), 600);
});

void test("a row that takes its process down fails alone in the end, and its neighbours land", async () => {
  await using world = await JobWorld.open(24);
  await writeFile(
    path.join(world.folder, "fatal.mjs"),
    `export default { inputs: ["question"], outputs: { n: "int64" }, usesLLM: false,
      run({ row }) { if (row.question === "question 7.") process.abort(); return { n: row.question.length }; } };`,
  );
  const spec = world.spec({ steps: [{ task: "./fatal.mjs" }], run: { shard_rows: 8, stop_after_alike: 0 } });
  let lives = 0;
  for (; lives < 20; lives++) {
    const end = await start(world, spec).ended;
    if (end.result === null) continue;
    assert.deepEqual(end.result.report?.rows, { accepted: 23, failed: 1, total: 24 }, JSON.stringify(end.result));
    assert.equal(end.result.report?.failures[0]?.code, "ROW_POISON");
    break;
  }
  assert.ok(lives > 0 && lives < 20, `${lives} lives`);
  assert.deepEqual(idsOf(await world.rows("failed")), [7]);
});

void test("a drained job finishes what runs, keeps it, and pays for nothing twice", async () => {
  await using world = await JobWorld.open(300, SLOW);
  const drain = new AbortController();
  const running = world.run(world.spec(), { drain: drain.signal });
  await answered(world, 50);
  drain.abort();
  const report = await running;
  assert.equal(report.outcome, "interrupted");
  assert.equal(report.committed, world.simulator.stats().answers);
  await finishedAsMeant(world, world.spec(), 300);
  assert.equal(world.simulator.stats().answers, 300);
});

void test("an endpoint that goes away and comes back is waited for", async () => {
  await using world = await JobWorld.open(300, SLOW);
  const port = Number(new URL(world.simulator.url).port);
  const notices: string[] = [];
  const running = world.run(world.spec({ run: { endpoint_wait: "60s" } }), {
    onNotice: (notice) => notices.push(notice),
  });
  await answered(world, 60);
  await world.simulator.close();
  while (notices.length === 0) await pause(20);
  await using back = await startSimulator({ port, ...SLOW });
  const report = await running;
  assert.deepEqual(report.rows, { accepted: 300, failed: 0, total: 300 });
  assert.match(notices[0] ?? "", /127\.0\.0\.1/);
  assert.ok(back.stats().answers > 200);
});

void test("a retry that is killed is finished by the same command, and a run in between is refused", async () => {
  await using world = await JobWorld.open(80, { failPrompts: ["question 1", "question 2"] });
  const first = await world.run(world.spec());
  const failed = first.rows.failed;
  assert.ok(failed >= 22);
  const port = Number(new URL(world.simulator.url).port);
  await world.simulator.close();
  await using mended = await startSimulator({ port, ...SLOW });
  const order = {
    folder: world.folder,
    spec: null,
    settings: SETTINGS,
    retry: { output: world.output, overrides: ["run.attempts=3"] },
  };
  const retry = startJobProcess({ ...order, crash: { step: "batch-recorded", count: 2 } });
  assert.equal((await retry.ended).signal, "SIGKILL");
  const answeredAtDeath = mended.stats().answers;
  await assert.rejects(world.run(world.spec()), (error) => isTidingError(error) && error.code === "USAGE");
  const report = await retryJob({ output: world.output, overrides: [], environment: {} });
  assert.deepEqual(report.rows, { accepted: 80, failed: 0, total: 80 });
  assert.deepEqual(idsOf(await world.rows()), upTo(80));
  assert.deepEqual(await readdir(path.join(world.output, "failed")), []);
  assert.equal((await readManifest(world.output))?.job.revisions.length, 1);
  // Two batches of a row or more were recorded: these rows are not asked for again.
  assert.ok(mended.stats().answers <= failed + answeredAtDeath - 2);
});

void test("the manifest keeps the spec as it was written, without defaults", async () => {
  await using world = await JobWorld.open(4);
  await world.run(world.spec());
  const manifest = await readManifest(world.output);
  assert.deepEqual(manifest?.job.spec["run"], { shard_rows: 16, flush_interval: "50ms" });
  assert.ok(
    !(await readFile(path.join(world.output, `manifest.${manifest?.generation}.json`), "utf8")).includes("undefined"),
  );
});
