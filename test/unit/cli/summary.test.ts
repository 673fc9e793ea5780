import assert from "node:assert/strict";
import { test } from "node:test";
import { loadLine, quoteForShell, renderReport, renderStatus } from "../../../cli/summary.ts";
import { callCounts, jobProgress, jobReport } from "../../support/cli-world.ts";

const look = { width: 80, colour: false, unicode: true };
const resume = "tiding run job.yaml";

void test("a finished job shows the numbers that matter and how to load the dataset", () => {
  assert.deepEqual(renderReport(jobReport(), { look, resume }), [
    "gsm8k-answers  finished",
    "rows      100 accepted · 0 failed · 100 in total",
    "this run  100 rows in 3m 3s · 57.4 rows/s · slots 93.4% in use",
    "tokens    2,000 in · 5,000 out",
    "calls     100 requests · 98 answers",
    "dataset   /home/ada/out/gsm8k · 3 parquet parts, 12.3 MB",
    'load it   load_dataset("parquet", data_files="/home/ada/out/gsm8k/data/*.parquet")',
  ]);
});

void test("failed rows show their codes with an example, and the command that runs them again", () => {
  const report = jobReport({
    outcome: "finished-with-failed-rows",
    output: "/home/ada/my out",
    rows: { accepted: 88, failed: 12, total: 100 },
    failures: [
      { code: "CONTEXT_TOO_LONG", rows: 10, example: "The prompt has 9,120 tokens, the server takes 8,192.\u001B[2J" },
      { code: "ANSWER_CUT", rows: 2, example: "x".repeat(200) },
    ],
  });
  const lines = renderReport(report, { look, resume });
  assert.deepEqual(lines.slice(-5), [
    "failed rows, with one example each",
    "  10  CONTEXT_TOO_LONG  The prompt has 9,120 tokens, the server takes 8,192.",
    `   2  ANSWER_CUT        ${"x".repeat(55)}…`,
    "",
    "Run the failed rows again:  tiding retry '/home/ada/my out'",
  ]);
});

void test("an interrupted or stopped job shows the command that carries on", () => {
  for (const outcome of ["interrupted", "stopped"] as const) {
    const lines = renderReport(jobReport({ outcome, parts: 0, bytes: 0 }), { look, resume });
    assert.match(lines.at(-2) ?? "", /the same command carries on/);
    assert.equal(lines.at(-1), "  tiding run job.yaml");
    assert.ok(!lines.some((line) => line.includes("load_dataset")));
  }
});

void test("an endpoint that may run on is told in red where it could not be stopped, with the command that stops it", () => {
  const left = {
    endpoint: "ada/writer",
    since: "2026-11-20T08:00:00.000Z",
    pricePerHour: null,
    problem: "The token may not (403).\u001B[2J",
    command: "tiding endpoints pause writer --namespace ada",
  };
  const coloured = { ...look, colour: true };
  const lines = renderReport(jobReport({ endpoints: [left] }), { look: coloured, resume });
  assert.deepEqual(lines.slice(-5), [
    "",
    "\u001B[31mThe endpoint ada/writer may still run, in use since 2026-11-20T08:00:00.000Z, for a price that is not known.\u001B[39m",
    "\u001B[31mIt could not be stopped: The token may not (403).\u001B[39m",
    "Stop it, if nobody else needs it:",
    "  tiding endpoints pause writer --namespace ada",
  ]);
});

void test("a run that found everything done says so", () => {
  const run = { ...jobReport().run, rows: 0, calls: callCounts({ requests: 0 }) };
  assert.ok(
    renderReport(jobReport({ run }), { look, resume }).includes("this run  nothing to do, every row was done before"),
  );
  const stopped = renderReport(jobReport({ run, outcome: "stopped" }), { look, resume });
  assert.ok(!stopped.join("\n").includes("nothing to do"));
});

void test("a status shows who runs the job, what has landed, and the revisions", () => {
  const lines = renderStatus(
    {
      ...jobReport(),
      state: "running",
      rows: { accepted: 40, failed: 2, total: 100, landed: 30, committed: 42 },
      owner: { host: "gpu-1", pid: 4_321, since: "2026-11-21T10:00:00.000Z", heartbeatAgeMs: 812 },
      progress: jobProgress(),
      revisions: [{ at: "2026-11-20T09:00:00.000Z", overrides: ["run.attempts=3"] }],
    },
    look,
  );
  assert.equal(lines[0], "gsm8k-answers  running");
  for (const line of [
    "rows      40 of 100 · 62.1/s · 0 failed · 37 running",
    "slots     37/64 127.0.0.1:8080",
    "landing   42 committed · 30 landed",
    "run by    pid 4321 on gpu-1 · since 2026-11-21T10:00:00.000Z",
  ]) {
    assert.ok(lines.includes(line), line);
  }
  assert.ok(lines.includes("revision  2026-11-20T09:00:00.000Z · run.attempts=3"));
  assert.ok(!lines.join("\n").includes("tiding retry"));
});

void test("a status without an owner shows the rows of the dataset and how to go on", () => {
  const status = {
    ...jobReport(),
    state: "interrupted",
    rows: { accepted: 40, failed: 2, total: null, landed: 42, committed: 42 },
    owner: null,
    progress: null,
    revisions: [],
  } as const;
  const lines = renderStatus(status, look);
  assert.equal(lines[1], "rows      40 accepted · 2 failed · total not known yet");
  assert.match(lines.at(-1) ?? "", /carries on/);
  const finished = renderStatus({ ...status, state: "finished-with-failed-rows" }, look);
  assert.match(finished.at(-1) ?? "", /tiding retry/);
});

void test("the line of Python names the builder of each format", () => {
  assert.equal(loadLine({ output: "/o", format: "jsonl" }), 'load_dataset("json", data_files="/o/data/*.jsonl")');
  assert.equal(loadLine({ output: "/o/", format: "arrow" }), 'load_dataset("arrow", data_files="/o/data/*.arrow")');
});

void test("a word in a command is quoted where a shell would read it otherwise", () => {
  assert.equal(quoteForShell("out/gsm8k-1.0"), "out/gsm8k-1.0");
  assert.equal(quoteForShell("it's $HOME"), `'it'\\''s $HOME'`);
});
