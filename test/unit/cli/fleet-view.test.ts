import assert from "node:assert/strict";
import { test } from "node:test";
import { renderJobs, renderSubmitted, renderWorkers } from "../../../cli/fleet-view.ts";
import { exitCodeOfSubmitted } from "../../../cli/follow-submitted.ts";
import type { SubmittedJob } from "../../../jobs/broker-view.ts";
import { jobProgress, jobReport } from "../../support/cli-world.ts";

const look = { width: Number.POSITIVE_INFINITY, colour: false, unicode: true };

function job(changes: Partial<SubmittedJob> = {}): SubmittedJob {
  return {
    id: "answers-3f2a",
    name: "answers",
    state: "running",
    wanted: "run",
    output: "/data/out",
    rows: { accepted: 40, failed: 1, total: 100 },
    done: 0.41,
    rowsPerSecond: 12.34,
    workers: 3,
    submittedAt: "2026-11-21T08:00:00.000Z",
    waitingFor: null,
    job: "0123",
    progress: null,
    report: null,
    error: null,
    ...changes,
  };
}

void test("jobs are a table, with what they wait for and who coordinates below it", () => {
  const waiting = job({
    id: "b-1",
    state: "queued",
    done: null,
    rows: { accepted: 0, failed: 0, total: null },
    workers: 0,
  });
  const jobs = [job(), { ...waiting, waitingFor: "8 other jobs run." }, job({ wanted: "pause" })];
  const unreadable = [{ key: "submission.x", message: "Of protocol 99.", mend: "Update." }];
  assert.deepEqual(renderJobs({ version: 1, coordinator: null, jobs, unreadable }, look), [
    "ID            NAME     STATE      ROWS      %  ROWS/S  WORKERS  OUTPUT",
    "answers-3f2a  answers  running  41/100  41.0%    12.3        3  /data/out",
    "b-1           answers  queued        0                       0  /data/out",
    "answers-3f2a  answers  pausing  41/100  41.0%    12.3        3  /data/out",
    "b-1: 8 other jobs run.",
    "submission.x: Of protocol 99. Update.",
    "",
    "No coordinator is at work. Start one with: tiding coordinator --broker URL",
  ]);
});

void test("workers are a table that says who is silent, and what keeps one from a job", () => {
  const worker = {
    host: "h1",
    pid: 7,
    since: "2026-11-21T08:00:00.000Z",
    slots: 64,
    slotsInUse: 60,
    jobs: 1,
    rows: 1_234,
  };
  const workers = [
    { worker: "h1-7", state: "working" as const, silentMs: 400, problems: [], ...worker },
    {
      worker: "h2-9",
      state: "silent" as const,
      silentMs: 65_000,
      problems: [{ job: "0123", message: "No key." }],
      ...worker,
    },
  ];
  const nowMs = Date.parse("2026-11-21T10:30:00.000Z");
  assert.deepEqual(renderWorkers({ version: 1, workers, unreadable: [] }, look, nowMs), [
    "ID    HOST  PID      UP  JOBS   ROWS  SLOTS  STATE",
    "h1-7  h1      7  2h 30m     1  1,234  60/64  working",
    "h2-9  h1      7  2h 30m     1  1,234  60/64  silent for 1m 5s",
    "h2-9 does not work on 0123: No key.",
  ]);
});

void test("a job shows its progress while it runs, and its report when it ended", () => {
  const shown = (changes: Partial<SubmittedJob>): string =>
    renderSubmitted(job(changes), { look, resume: "tiding resume answers-3f2a" }).join("\n");
  assert.match(
    shown({ progress: jobProgress() }),
    /^answers {2}answers-3f2a {2}running\n[^]*rows +40 of 100[^]*workers +3\noutput +\/data\/out$/,
  );
  assert.match(shown({ state: "paused" }), /paused\nrows +41\/100[^]*Go on with: {2}tiding resume answers-3f2a$/);
  assert.match(shown({ state: "finished", report: jobReport() }), /finished\nrows +100 accepted/);
  const error = { code: "INPUT_MISSING" as const, message: "Not there.", mend: null, place: null };
  assert.match(shown({ state: "stopped", error }), /stopped[^]*error INPUT_MISSING\n {2}Not there\./);
});

void test("a followed job ends with the exit code that tiding run would have given", () => {
  const usage = { code: "INPUT_MISSING" as const, message: "", mend: null, place: null };
  const engine = { ...usage, code: "DISK_FULL" as const };
  assert.equal(exitCodeOfSubmitted({ state: "finished", error: null }), 0);
  assert.equal(exitCodeOfSubmitted({ state: "finished-with-failed-rows", error: null }), 3);
  assert.equal(exitCodeOfSubmitted({ state: "stopped", error: usage }), 2);
  assert.equal(exitCodeOfSubmitted({ state: "stopped", error: engine }), 1);
  assert.equal(exitCodeOfSubmitted({ state: "cancelled", error: null }), 130);
});
