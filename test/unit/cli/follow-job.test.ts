import assert from "node:assert/strict";
import { test } from "node:test";
import type { FollowedJob } from "../../../cli/follow-job.ts";
import { followJob } from "../../../cli/follow-job.ts";
import type { JobReport } from "../../../shared/observe/job-report.ts";
import { cliWorld, jobProgress, jobReport } from "../../support/cli-world.ts";

const options = { name: "gsm8k-answers", resume: "tiding run job.yaml", json: false, quiet: false };

void test("progress and notices go to standard error, the summary to standard output", async () => {
  const world = cliWorld();
  const start = async ({ onProgress, onNotice }: FollowedJob): Promise<JobReport> => {
    onProgress(jobProgress());
    onNotice("slots capped at 128");
    return jobReport();
  };
  assert.equal(await followJob(world, start, options), 0);
  assert.match(world.stderr.text, /^1m 23s running.*\nslots capped at 128\n$/);
  assert.match(world.stdout.text, /^gsm8k-answers {2}finished\n/);
});

void test("with --json standard output holds the report alone", async () => {
  const world = cliWorld();
  const report = jobReport({
    outcome: "stopped",
    error: { code: "UNAUTHORIZED", message: "The key was refused.", mend: null, place: null },
  });
  assert.equal(await followJob(world, async () => report, { ...options, json: true, quiet: true }), 1);
  assert.deepEqual(JSON.parse(world.stdout.text), report);
  assert.equal(world.stderr.text, "");
});

void test("a job that stopped prints its error", async () => {
  const world = cliWorld();
  const error = { code: "UNAUTHORIZED", message: "The key was refused.", mend: "Set HF_TOKEN.", place: "e" } as const;
  assert.equal(await followJob(world, async () => jobReport({ outcome: "stopped", error }), options), 1);
  assert.equal(world.stderr.text, "error UNAUTHORIZED\n  The key was refused.\n  at: e\n  mend: Set HF_TOKEN.\n");
});

void test("an interrupt drains the job, says how many requests still run, and exits with 130", async () => {
  const world = cliWorld();
  const start = async ({ onProgress, drain, stop }: FollowedJob): Promise<JobReport> => {
    onProgress(jobProgress());
    world.signals.emit("SIGINT");
    assert.ok(drain.aborted && !stop.aborted);
    return jobReport({ outcome: "interrupted" });
  };
  assert.equal(await followJob(world, start, options), 130);
  assert.match(world.stderr.text, /finishing 37 running requests; once more \(Ctrl-C\) to stop now/);
  assert.match(world.stdout.text, /the same command carries on:\n {2}tiding run job\.yaml\n$/);
  assert.equal(world.signals.listenerCount("SIGINT"), 0);
});
