/** The job benchmark against the simulator, held against what the simulator itself saw. */
import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { JobBenchReport } from "../../../bench/job/job-bench-report.ts";
import { runJobBench, type JobBenchOptions } from "../../../bench/job/run-job-bench.ts";
import type { RequestLogEntry } from "../../../bench/simulator/request-log.ts";
import { startSimulator } from "../../../bench/simulator/simulator.ts";
import { isTidingError } from "../../../shared/errors.ts";
import { JobWorld } from "../../support/job-world.ts";

type SpecChanges = Parameters<JobWorld["spec"]>[0];

async function bench(world: JobWorld, changes: SpecChanges, options: Partial<JobBenchOptions> = {}) {
  const file = path.join(world.folder, "job.json");
  await writeFile(file, JSON.stringify(world.spec(changes)));
  return JobBenchReport.parse(
    await runJobBench({
      file,
      overrides: [],
      environment: { PATH: process.env["PATH"] },
      rows: 60,
      seconds: 1,
      repeats: 1,
      scale: false,
      killWorker: null,
      signal: new AbortController().signal,
      ...options,
    }),
  );
}

function count(log: readonly RequestLogEntry[], outcome: string): number {
  return log.filter((entry) => entry.outcome === outcome).length;
}

function busyMs(log: readonly RequestLogEntry[]): number {
  return log.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
}

async function leftovers(): Promise<number> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith("tiding-bench-job-")).length;
}

void test("a job and its bare loop make the same requests, and are paid for as the server saw it", async () => {
  const latency = { distribution: "fixed", medianMs: 40 } as const;
  await using world = await JobWorld.open(100, { log: "memory", answerTokens: 30, latency });
  const report = await bench(world, {});
  const log = world.simulator.requests();
  assert.deepEqual(
    report.runs.map(({ kind, pair, requests, answers }) => [kind, pair, requests, answers]),
    [
      ["job", 0, 60, 60],
      ["bare", 1, 60, 60],
      ["job", 1, 60, 60],
    ],
  );
  assert.equal(log.length, 180);
  // The n-th run's prompts are seen for the n-th time, each with the seed that the job gave it.
  const seeds = [1, 2, 3].map((nth) =>
    log.filter((entry) => entry.nth === nth).map(({ key, seed }) => `${key} ${seed}`),
  );
  assert.deepEqual(seeds[1]!.toSorted(), seeds[0]!.toSorted());
  assert.deepEqual(seeds[2]!.toSorted(), seeds[0]!.toSorted());
  assert.equal(report.paid.requests, 180);
  assert.equal(report.paid.output_tokens, 180 * 30);
  assert.deepEqual(
    report.runs.map((run) => run.server_output_tokens),
    [null, 1_800, 1_800],
    "by the server's own counters",
  );
  assert.equal(report.figures.waste?.median, 0);
  assert.equal(report.job.rows, 60);
  assert.equal(report.job.slots, 8);
  assert.equal(world.simulator.stats().maxInFlight, 8);
  assert.equal(report.runs[2]!.accepted_output_tokens, 1_800);
});

void test("utilisation is what the server saw in flight", async () => {
  const latency = { distribution: "fixed", medianMs: 150 } as const;
  await using world = await JobWorld.open(100, { log: "memory", latency });
  const report = await bench(world, {});
  const log = world.simulator.requests();
  for (const [index, run] of report.runs.entries()) {
    const server = busyMs(log.filter((entry) => entry.nth === index + 1));
    const client = run.utilisation * run.slots * run.wall_ms;
    // Sent a little before it arrives, and heard of a little after it ended.
    assert.ok(client >= server, `run ${index}: ${client} of the client, ${server} of the server`);
    assert.ok(server >= 60 * 149, `${server}`);
    const { timeline } = run;
    const whole = timeline.in_flight.slice(0, -1).reduce((sum, mean) => sum + mean * timeline.step_ms, 0);
    const lastMs = run.wall_ms - (timeline.in_flight.length - 1) * timeline.step_ms;
    assert.ok(Math.abs(whole + timeline.in_flight.at(-1)! * lastMs - client) < 1, "the timeline holds all of it");
  }
});

void test("refusals, resets and invalid answers are counted as the server counted them, and the bare loop repeats none", async () => {
  const faults = { "429": 0.05, reset: 0.05, "garbage-json": 0.05, "500": 0.05 } as const;
  await using world = await JobWorld.open(80, { log: "memory", answerTokens: 25, faults });
  const report = await bench(world, {}, { rows: 80 });
  const log = world.simulator.requests();
  const sum = (read: (run: (typeof report.runs)[number]) => number): number =>
    report.runs.reduce((total, run) => total + read(run), 0);
  assert.ok(["429", "reset", "garbage-json", "500"].every((kind) => count(log, kind) > 0));
  assert.equal(
    sum((run) => run.requests),
    log.length,
  );
  assert.equal(
    sum((run) => run.refused),
    count(log, "429"),
  );
  assert.equal(
    sum((run) => run.errors),
    count(log, "reset") + count(log, "500"),
  );
  assert.equal(
    sum((run) => run.answers),
    count(log, "ok") + count(log, "garbage-json"),
  );
  assert.equal(
    sum((run) => run.answers_without_tokens),
    count(log, "garbage-json"),
  );
  assert.equal(report.paid.output_tokens, 25 * count(log, "ok"));
  for (const { kind, rows } of report.runs) if (kind === "job") assert.deepEqual(rows, { accepted: 80, failed: 0 });
  const [first, bare] = report.runs;
  assert.equal(bare!.requests, first!.answers, "each request that the job had an answer to, once");
  assert.equal(report.figures.waste?.median, 0, "half an answer says nothing of its tokens");
  assert.match(report.notes.join("\n"), /had no answer, and were not sent again/);
});

void test("answers of rows that failed are waste", async () => {
  // Answers have 27 to 34 tokens; the longer ones are cut, which fails their rows.
  await using world = await JobWorld.open(60, { log: "memory", answerChars: 200 });
  const llm = { fail_on_length: true, generation_kwargs: { max_new_tokens: 30 } };
  const report = await bench(world, { llm, run: { stop_after_alike: 0 } });
  const job = report.runs[2]!;
  assert.ok(job.rows!.failed > 0 && job.rows!.accepted > 0, JSON.stringify(job.rows));
  assert.equal(job.output_tokens, job.server_output_tokens);
  assert.equal(job.output_tokens - job.accepted_output_tokens!, 30 * job.rows!.failed, "each of them had 30 tokens");
  assert.equal(report.figures.waste?.median, (30 * job.rows!.failed) / job.output_tokens);
});

void test("a stream's answers are counted as plain ones are", async () => {
  await using world = await JobWorld.open(30, { answerTokens: 15 });
  const report = await bench(world, { llm: { stream: true } }, { rows: 30 });
  assert.deepEqual(
    report.runs.map((run) => run.output_tokens),
    [450, 450, 450],
  );
  assert.equal(report.figures.waste?.median, 0);
});

void test("with --scale the job also runs on its first endpoint alone", async () => {
  await using world = await JobWorld.open(64, { log: "memory" });
  await using other = await startSimulator({ log: "memory" });
  const llm = { base_url: [world.simulator.url, other.url], slots: 4 };
  const report = await bench(world, { llm }, { rows: 64, scale: true });
  assert.deepEqual(
    report.runs.map(({ kind, slots, answers }) => [kind, slots, answers]),
    [
      ["job", 8, 64],
      ["bare", 8, 64],
      ["job", 8, 64],
      ["job-one-endpoint", 4, 64],
    ],
  );
  const [one, two] = [world.simulator.requests().length, other.requests().length];
  assert.equal(one + two, 4 * 64);
  assert.ok(two > 0 && one >= 64 + two / 4, `${one} and ${two}`);
  assert.equal(report.scaling?.ratio, 2);
  assert.equal(report.scaling.scaling_efficiency?.n, 1);
  const pair = report.runs.filter(({ pair: number }) => number === 1);
  const [all, single] = [pair[1]!, pair[2]!];
  assert.equal(report.scaling.scaling_efficiency.median, all.rows_s! / (2 * single.rows_s!));
});

void test("without a number of rows, trial rows show how many there are to be", async () => {
  const latency = { distribution: "fixed", medianMs: 100 } as const;
  await using world = await JobWorld.open(200, { log: "memory", latency });
  const plans: string[] = [];
  const file = path.join(world.folder, "job.json");
  await writeFile(file, JSON.stringify(world.spec()));
  const options = { file, overrides: ["steps.0.llm.slots=4"], environment: {}, rows: null, seconds: 1, repeats: 1 };
  const report = await runJobBench(
    { ...options, scale: false, killWorker: null, signal: new AbortController().signal },
    { onPlan: ({ rows, runs, isTrial }) => plans.push(isTrial ? "trial" : `${rows} x ${runs}`) },
  );
  // Four slots and 100 ms an answer or, on a busy machine, more: at most 40, at least the four rounds.
  assert.ok(report.job.rows >= 16 && report.job.rows <= 40, `${report.job.rows}`);
  assert.deepEqual(plans, ["trial", `${report.job.rows} x 3`]);
  assert.equal(world.simulator.requests().length, 16 + 3 * report.job.rows);
  assert.equal(report.paid.requests, world.simulator.requests().length, "the trial was paid for as well");
});

void test("keys reach the bare loop, and nothing of them the report", async () => {
  await using world = await JobWorld.open(20, { apiKey: "k-271828" });
  const environment = { PATH: process.env["PATH"], LLM_KEY: "k-271828" };
  const report = await bench(world, { llm: { api_key: "${LLM_KEY}" } }, { rows: 20, environment });
  assert.equal(report.runs[1]!.answers, 20);
  assert.ok(!JSON.stringify(report).includes("271828"));
});

void test("a worker that is killed in the middle is recovered from, and what it cost is as the server saw it", async () => {
  const latency = { distribution: "fixed", medianMs: 100 } as const;
  await using world = await JobWorld.open(500, { log: "memory", latency, answerTokens: 10 });
  const report = await bench(world, { run: { shard_rows: 256 } }, { rows: 250, killWorker: { replace: true } });
  const { recovery } = report;
  assert.ok(recovery !== null);
  assert.deepEqual(recovery.rows, { accepted: 500, failed: 0 });
  assert.equal(recovery.slots, 16);
  assert.equal(recovery.shard_rows, 7);
  assert.ok(recovery.in_flight_before > 8, `${recovery.in_flight_before}`);
  assert.ok(recovery.in_flight_lowest <= 8, "the dead worker's eight were gone");
  const log = world.simulator.requests();
  // An answer that was on its way when the worker died the server holds for given.
  assert.ok(count(log, "dropped") <= recovery.requests_cut);
  // Three runs before it saw the first 250 prompts once each; what is seen once more was sent again.
  const keys = new Set(log.filter(({ nth }) => nth === 3).map(({ key }) => key));
  const again = log.filter(({ key, nth }) => nth > (keys.has(key) ? 4 : 1));
  // What the worker had begun to send as it died may never have come.
  const within = (counted: number, seen: number): boolean => counted >= seen && counted <= seen + recovery.requests_cut;
  assert.ok(
    within(recovery.requests_sent_again, again.length),
    `${recovery.requests_sent_again}, ${again.length} seen`,
  );
  assert.ok(recovery.requests_cut > 0 && recovery.requests_sent_again >= recovery.requests_cut);
  assert.ok(recovery.sent_again_ms !== null && recovery.sent_again_ms > 0);
  assert.ok(within(report.paid.requests, log.length), `${report.paid.requests}, ${log.length} seen`);
});

void test("an interrupted benchmark leaves no process and no file behind", async () => {
  const before = await leftovers();
  const latency = { distribution: "fixed", medianMs: 200 } as const;
  await using world = await JobWorld.open(2_000, { latency });
  const stop = new AbortController();
  const file = path.join(world.folder, "job.json");
  await writeFile(file, JSON.stringify(world.spec()));
  const options = { file, overrides: [], environment: {}, rows: 2_000, seconds: 1, repeats: 1, scale: false };
  const reason = new DOMException("enough", "AbortError");
  const running = runJobBench(
    { ...options, killWorker: null, signal: stop.signal },
    { onRows: (rows) => void (rows > 0 && stop.abort(reason)) },
  );
  await assert.rejects(running, (error) => error === reason);
  assert.equal(await leftovers(), before);
  while (world.simulator.stats().inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(world.simulator.stats().requests < 2_000);
});

void test("what stops a job stops its benchmark, with the job's own error", async () => {
  await using world = await JobWorld.open(100, { failPrompts: ["question"] });
  await assert.rejects(
    bench(world, {}, { rows: 100 }),
    (error) => isTidingError(error) && error.code === "ROWS_FAIL_ALIKE",
  );
});

void test("jobs that cannot be measured are refused before anything is sent", async () => {
  await using world = await JobWorld.open(10, { log: "memory" });
  const refused = async (
    changes: SpecChanges,
    place: RegExp,
    options: Partial<JobBenchOptions> = {},
  ): Promise<void> => {
    await assert.rejects(bench(world, changes, options), (error) => {
      assert.ok(isTidingError(error), String(error));
      assert.equal(error.code, "USAGE");
      assert.match(error.place ?? "", place);
      return true;
    });
  };
  await refused({ input: { path: "-", format: "jsonl" } }, /input\.path/);
  await refused({}, /base_url/, { scale: true });
  await refused({ llm: { use_offline_batch_generation: true } }, /use_offline_batch_generation/);
  assert.equal(world.simulator.requests().length, 0);
});
