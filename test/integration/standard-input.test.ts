/** Jobs whose rows come by standard input: spooled once, then resumed, extended and retried from the output alone. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { startSimulator } from "../../bench/simulator/simulator.ts";
import { runCli } from "../../cli/main.ts";
import { readManifest } from "../../coordinator/output/output-directory.ts";
import { isTidingError, type ErrorCode } from "../../shared/errors.ts";
import { cliWorld } from "../support/cli-world.ts";
import { idsOf, JobWorld, questionOf, upTo } from "../support/job-world.ts";

const bin = fileURLToPath(new URL("../../cli/bin.js", import.meta.url));
const SLOW = { latency: { distribution: "fixed", medianMs: 20 } } as const;
const PIPED = { input: { path: "-", format: "jsonl" } };

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command as a process; without `input` its standard input is left open. */
function start(
  argv: readonly string[],
  input: string | Buffer | null,
): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, [bin, ...argv], { stdio: "pipe" });
  // Whoever does not read to the end closes the pipe.
  child.stdin.on("error", (error: NodeJS.ErrnoException) => assert.equal(error.code, "EPIPE"));
  if (input !== null) child.stdin.end(input);
  const ended = Promise.all([once(child, "close"), text(child.stdout), text(child.stderr)]).then(
    ([[code], stdout, stderr]): Ended => ({ code: code as number | null, stdout, stderr }),
  );
  return { child, ended };
}

async function tiding(argv: readonly string[], input: string | Buffer = ""): Promise<Ended> {
  return await start(argv, input).ended;
}

/** As under cron: nothing comes, and there is no end either. A run that read it would wait for ever. */
async function tidingWithOpenInput(...argv: readonly string[]): Promise<Ended> {
  return await start(argv, null).ended;
}

function linesOf(rows: readonly number[]): string {
  return rows.map((row) => `${JSON.stringify({ question: questionOf(row) })}\n`).join("");
}

async function jobFile(world: JobWorld, changes: Parameters<JobWorld["spec"]>[0] = {}): Promise<string> {
  const file = path.join(world.folder, "job.json");
  await writeFile(file, JSON.stringify(world.spec({ ...PIPED, ...changes })));
  return file;
}

async function spoolsIn(output: string): Promise<readonly string[]> {
  const names = await readdir(path.join(output, ".tiding")).catch(() => []);
  return names.filter((name) => name.startsWith("stdin-"));
}

async function assertAllRows(world: JobWorld, count: number): Promise<void> {
  const rows = await world.rows();
  assert.deepEqual(idsOf(rows), upTo(count));
  for (const [row, { question }] of rows.entries()) assert.equal(question, questionOf(row));
}

async function untilAnswers(world: JobWorld, count: number): Promise<void> {
  while (world.simulator.stats().answers < count) await delay(10);
}

function isError(code: ErrorCode, ...texts: readonly RegExp[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isTidingError(error) && error.code === code, String(error));
    for (const each of texts) assert.match(`${error.message} ${error.mend ?? ""}`, each);
    return true;
  };
}

void test("a job that was killed is resumed without its standard input, and extended, and no row is read anew", async () => {
  await using world = await JobWorld.open(0, SLOW);
  const job = await jobFile(world);
  const { child, ended } = start(["run", job, "--limit", "200"], linesOf(upTo(300)));
  await untilAnswers(world, 60);
  child.kill("SIGKILL");
  assert.equal((await ended).code, null);

  const resumed = await tidingWithOpenInput("run", job, "--limit", "200");
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.match(
    resumed.stderr,
    /Standard input is not read: this output holds the rows that it was begun with, \S+stdin-/,
  );
  await assertAllRows(world, 200);
  const extended = await tidingWithOpenInput("run", job);
  assert.equal(extended.code, 0, extended.stderr);
  await assertAllRows(world, 300);
  assert.ok(world.simulator.stats().answers <= 300 + 60, "only what was not committed is paid for again");
});

void test("the same data again is the same job; other data is not read, and that is said", async () => {
  await using world = await JobWorld.open(0);
  const job = await jobFile(world);
  for (const [run, input] of [linesOf(upTo(40)), linesOf(upTo(40)), linesOf([7, 8, 9])].entries()) {
    const { code, stderr } = await tiding(["run", job], input);
    assert.equal(code, 0, stderr);
    assert.equal(/is not read[^]*For other rows choose another output\.path/.test(stderr), run > 0);
  }
  await assertAllRows(world, 40);
  assert.equal(world.simulator.stats().answers, 40);
});

void test("what a run spooled half when it was killed is read anew by the next", async () => {
  await using world = await JobWorld.open(0);
  const job = await jobFile(world);
  const { child, ended } = start(["run", job], null);
  child.stdin?.write(linesOf(upTo(20)));
  const half = async (): Promise<number> => {
    const [name] = await spoolsIn(world.output);
    return name === undefined ? 0 : (await stat(path.join(world.output, ".tiding", name))).size;
  };
  while ((await half()) === 0) await delay(10);
  child.kill("SIGKILL");
  await ended;
  assert.match((await spoolsIn(world.output)).join(), /^stdin-.*\.part$/);
  assert.equal(await readManifest(world.output), null);

  const { code, stderr } = await tiding(["run", job], linesOf(upTo(50)));
  assert.equal(code, 0, stderr);
  await assertAllRows(world, 50);
  assert.match((await spoolsIn(world.output)).join(), /^stdin-[0-9a-f]{32}$/);
});

void test("interrupted while it reads, a run leaves nothing and pays for nothing", async () => {
  await using world = await JobWorld.open(0);
  const { child, ended } = start(["run", await jobFile(world)], null);
  child.stdin?.write(linesOf(upTo(20)));
  while ((await spoolsIn(world.output)).length === 0) await delay(10);
  child.kill("SIGINT");
  assert.equal((await ended).code, 130);
  assert.deepEqual(await spoolsIn(world.output), []);
  assert.equal(world.simulator.stats().requests, 0);
});

void test("rows that were spooled before a job could begin are used when nothing comes, and given up when others come", async () => {
  await using world = await JobWorld.open(0);
  const job = await jobFile(world, { run: { endpoint_wait: "1s" } });
  const gone = await startSimulator({});
  await gone.close();
  const failed = await tiding(["run", job, "-s", `steps.0.llm.base_url=${gone.url}`], linesOf(upTo(30)));
  assert.match(failed.stderr, /NO_ENDPOINT/);
  assert.equal(await readManifest(world.output), null);
  const again = await tiding(["run", job, "--output", path.join(world.folder, "out")]);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /brings nothing; the rows are those of the run before/);
  await assertAllRows(world, 30);

  await rm(world.output, { recursive: true });
  await tiding(["run", job, "-s", `steps.0.llm.base_url=${gone.url}`], linesOf([5, 6, 7]));
  const other = await tiding(["run", job], linesOf(upTo(20)));
  assert.equal(other.code, 0, other.stderr);
  await assertAllRows(world, 20);
  assert.equal((await spoolsIn(world.output)).length, 1);
});

void test("failed rows are run again from the spool, wherever the output was moved to", async () => {
  await using world = await JobWorld.open(0, { failPrompts: ["question 7."] });
  await using mended = await startSimulator({});
  const failed = await tiding(["run", await jobFile(world)], linesOf(upTo(20)));
  assert.equal(failed.code, 3, failed.stderr);
  const moved = path.join(world.folder, "moved");
  await rename(world.output, moved);
  const retried = await tidingWithOpenInput("retry", moved, "-s", `steps.0.llm.base_url=${mended.url}`);
  assert.equal(retried.code, 0, retried.stderr);
  assert.equal((await world.rows("data", moved)).length, 20);
  assert.equal(mended.stats().answers, 1);

  for (const name of await spoolsIn(moved)) await rm(path.join(moved, ".tiding", name));
  for (const argv of [
    ["retry", moved],
    ["run", await jobFile(world), "--output", moved],
  ]) {
    const { code, stderr } = await tidingWithOpenInput(...argv);
    assert.equal(code, 2);
    assert.match(stderr, /error INPUT_MISSING/);
  }
});

void test("compressed CSV comes by standard input as it is", async () => {
  await using world = await JobWorld.open(0);
  const rows = upTo(30).map((row) => `"${questionOf(row)}"\r\n`);
  const job = await jobFile(world, { input: { path: "-", format: "csv" } });
  const { code, stderr } = await tiding(["run", job], gzipSync(`question\r\n${rows.join("")}`));
  assert.equal(code, 0, stderr);
  await assertAllRows(world, 30);
});

void test("--set makes standard input the input, and without a format or beside files it is refused", async () => {
  await using world = await JobWorld.open(0);
  const job = await jobFile(world, { input: { path: "rows.jsonl" } });
  const set = ["run", job, "-s", "input.path=-"];
  const unnamed = await tidingWithOpenInput(...set);
  assert.equal(unnamed.code, 2);
  assert.match(unnamed.stderr, /SPEC_INVALID[^]*`input\.format` is missing[^]*Add `format: jsonl`/);
  const beside = await tidingWithOpenInput("run", job, "-s", 'input.path=["rows.jsonl", "-"]');
  assert.match(beside.stderr, /SPEC_INVALID[^]*beside files[^]*alone/);
  const { code, stderr } = await tiding([...set, "-s", "input.format=jsonl"], linesOf(upTo(10)));
  assert.equal(code, 0, stderr);
  await assertAllRows(world, 10);
});

void test("nothing is read for an output that holds something else", async () => {
  await using world = await JobWorld.open(20);
  const fromFile = await jobFile(world, { input: { path: "rows.jsonl" } });
  assert.equal((await tiding(["run", fromFile])).code, 0);
  const other = await tidingWithOpenInput("run", await jobFile(world));
  assert.equal(other.code, 2);
  assert.match(other.stderr, /INPUT_MISSING[^]*holds a job[^]*choose another output\.path/);

  const foreign = path.join(world.folder, "foreign");
  await mkdir(foreign);
  await writeFile(path.join(foreign, "thesis.txt"), "mine");
  const refused = await tidingWithOpenInput("run", await jobFile(world), "--output", foreign);
  assert.match(refused.stderr, /OUTPUT_NOT_A_JOB/);
  assert.deepEqual(await readdir(foreign), ["thesis.txt"]);
});

void test("of two runs that read for one output at one time, the other's rows are not mixed in", async () => {
  await using world = await JobWorld.open(0, SLOW);
  const job = await jobFile(world);
  const slow = start(["run", job], null);
  slow.child.stdin?.write(linesOf([1_000]));
  while ((await spoolsIn(world.output)).length === 0) await delay(10);
  const quick = await tiding(["run", job], linesOf(upTo(30)));
  assert.equal(quick.code, 0, quick.stderr);
  slow.child.stdin?.end(linesOf([1_001]));
  const { code, stderr } = await slow.ended;
  assert.equal(code, 2);
  assert.match(stderr, /OUTPUT_IN_USE/);
  await assertAllRows(world, 30);
});

void test("a preview reads as far as it has to, from input without end, and writes nothing", async () => {
  await using world = await JobWorld.open(0);
  for (const format of ["jsonl", "csv"]) {
    const { child, ended } = start(["preview", await jobFile(world, { input: { path: "-", format } })], null);
    const pour = (): void => {
      const row = format === "csv" ? '"question 0."\n' : linesOf([0]);
      while (child.stdin?.writable === true && child.stdin.write(row.repeat(100)));
    };
    if (format === "csv") child.stdin?.write("question\n");
    child.stdin?.on("drain", pour);
    pour();
    const { code, stdout, stderr } = await ended;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /question 0\./);
  }
  assert.deepEqual(await readdir(world.folder), ["job.json", "rows.jsonl"]);
  assert.equal(world.simulator.stats().answers, 6);
});

void test("a terminal is no input: run and preview say what to do and do not wait", async () => {
  await using world = await JobWorld.open(0);
  const job = await jobFile(world);
  for (const command of ["run", "preview"]) {
    const terminal = Object.assign(new Readable({ read: () => undefined }), { isTTY: true });
    const cli = cliWorld({}, terminal);
    assert.equal(await runCli([command, job], cli), 2);
    assert.match(cli.stderr.text, /error USAGE[^]*a terminal[^]*Pipe them in: tiding run job\.yaml < rows\.jsonl/);
  }
});

void test("a program hands the stream over; a process's own is never taken", async () => {
  await using world = await JobWorld.open(0);
  const spec = world.spec(PIPED);
  await assert.rejects(world.run(spec), isError("USAGE", /has none to give/, /`standardInput`/));
  const failing = new Readable({ read: () => failing.destroy(new Error("the pipe burst")) });
  await assert.rejects(world.run(spec, { standardInput: failing }), isError("INPUT_UNREADABLE", /the pipe burst/));
  assert.deepEqual(await spoolsIn(world.output), []);
  const texts = Readable.from([linesOf(upTo(5)), linesOf([5, 6, 7, 8, 9])]);
  const report = await world.run(spec, { standardInput: texts });
  assert.deepEqual(report.rows, { accepted: 10, failed: 0, total: 10 });
  const [spool = ""] = await spoolsIn(world.output);
  assert.equal(await readFile(path.join(world.output, ".tiding", spool), "utf8"), linesOf(upTo(10)));
});
