import assert from "node:assert/strict";
import { readFile, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { JobBenchReport } from "../../../bench/job/job-bench-report.ts";
import { runCli } from "../../../cli/main.ts";
import { cliWorld } from "../../support/cli-world.ts";
import { JobWorld } from "../../support/job-world.ts";

async function specOf(world: JobWorld): Promise<string> {
  const file = path.join(world.folder, "job.json");
  await writeFile(file, JSON.stringify(world.spec()));
  return file;
}

void test("`tiding bench job` says what will be paid, shows the figures, and writes its report and page", async () => {
  await using world = await JobWorld.open(40, { answerTokens: 10, log: "memory" });
  const cli = cliWorld();
  const out = path.join(world.folder, "bench");
  const job = await specOf(world);
  assert.equal(
    await runCli(["bench", "job", job, "--rows", "40", "--repeats", "1", "--out", out], cli),
    0,
    cli.stderr.text,
  );
  assert.match(cli.stderr.text, /^3 runs of 40 rows: 120 rows are paid for\.\n1\/3 job\n/);
  assert.equal(world.simulator.requests().length, 120);
  for (const figure of [
    "accepted rows",
    "waste",
    "utilisation",
    "ramp",
    "tail",
    "engine overhead",
    "CPU an answer, job",
  ])
    assert.match(cli.stdout.text, new RegExp(`^${figure} +\\S`, "m"));
  assert.match(cli.stdout.text, /paid +120 requests · .* · 1,200 tokens out/);
  assert.deepEqual((await readdir(out)).toSorted(), ["job-report.html", "job-report.json"]);
  const report = JobBenchReport.parse(JSON.parse(await readFile(path.join(out, "job-report.json"), "utf8")));
  const page = await readFile(path.join(out, "job-report.html"), "utf8");
  const [, plots = ""] = /<script type="application\/json" id="plots">(.*)<\/script>/.exec(page) ?? [];
  const groups = JSON.parse(plots) as readonly {
    variants: readonly { plots: readonly { series: { values: number[] }[] }[] }[];
  }[];
  assert.deepEqual(
    groups[0]!.variants[0]!.plots.map(({ series }) => series[0]!.values),
    report.runs.map(({ timeline }) => timeline.in_flight),
  );
  assert.ok(!/(src|href)="?https?:/.test(page), "the page loads nothing");
  assert.ok(!(await readdir(world.folder)).includes("out"), "the job's own output was not touched");
});

void test("with --json the report is the one document on standard output, and --quiet leaves what is paid for", async () => {
  await using world = await JobWorld.open(20);
  const cli = cliWorld();
  const argv = ["bench", "job", await specOf(world), "-n", "20", "--repeats", "1", "--json", "--quiet"];
  assert.equal(await runCli(argv, cli), 0, cli.stderr.text);
  assert.equal(JobBenchReport.parse(JSON.parse(cli.stdout.text)).runs.length, 3);
  assert.equal(cli.stderr.text, "3 runs of 20 rows: 60 rows are paid for.\n");
});

void test("Ctrl-C ends it with 130 and no report", async () => {
  const latency = { distribution: "fixed", medianMs: 100 } as const;
  await using world = await JobWorld.open(2_000, { latency });
  const cli = cliWorld();
  const job = await specOf(world);
  const running = runCli(["bench", "job", job, "--rows", "2000"], cli);
  while (world.simulator.stats().requests === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  cli.signals.emit("SIGINT", "SIGINT");
  assert.equal(await running, 130, cli.stderr.text);
  assert.match(cli.stderr.text, /Stopping; what was measured is thrown away\./);
  assert.equal(cli.stdout.text, "");
});

void test("what is wrong is said before anything is paid for", async () => {
  await using world = await JobWorld.open(5, { log: "memory" });
  const job = await specOf(world);
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["--no-replacement"], /Add --kill-worker/],
    [["--rows", "0"], /whole number above 0/],
    [["--scale"], /Give base_url a list/],
    [["--out", job], /OUTPUT_UNWRITABLE/],
  ];
  for (const [flags, said] of cases) {
    const cli = cliWorld();
    assert.equal(await runCli(["bench", "job", job, ...flags], cli), 2, flags.join(" "));
    assert.match(cli.stderr.text, said);
  }
  assert.equal(world.simulator.requests().length, 0);
});
