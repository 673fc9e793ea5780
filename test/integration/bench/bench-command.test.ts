import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { BenchReport } from "../../../bench/report/bench-report.ts";
import type { SimulatorInput } from "../../../bench/simulator/options.ts";
import { startSimulator } from "../../../bench/simulator/simulator.ts";
import { runCli } from "../../../cli/main.ts";
import { cliWorld } from "../../support/cli-world.ts";
import type { CliWorld } from "../../support/cli-world.ts";
import { startScriptedServer } from "../../support/scripted-server.ts";

interface Bench {
  readonly url: string;
  readonly folder: string;
  /** Runs `tiding bench` with these words; `URL` and `OUT` stand for the endpoint and a folder of its own. */
  run(
    words: string,
    world?: CliWorld,
  ): Promise<{ readonly code: number; readonly world: CliWorld; readonly out: string }>;
}

async function setUp(t: TestContext, options: SimulatorInput = {}): Promise<Bench> {
  const simulator = await startSimulator({ answerTokens: 6, ...options });
  const folder = await mkdtemp(join(tmpdir(), "tiding-bench-"));
  t.after(async () => {
    await simulator[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  let runs = 0;
  return {
    url: simulator.url,
    folder,
    async run(words, world = cliWorld()) {
      const out = join(folder, `run-${++runs}`);
      // What the client can take in is of no interest here, and takes seconds.
      const quick = words.startsWith("compare") ? words : `${words} --no-self-check`;
      const argv = quick.split(" ").map((word) => word.replace("URL", simulator.url).replace("OUT", out));
      return { code: await runCli(["bench", ...argv], world), world, out };
    },
  };
}

async function readOut(out: string): Promise<BenchReport> {
  return BenchReport.parse(JSON.parse(await readFile(join(out, "report.json"), "utf8")));
}

async function recordsOf(out: string): Promise<{ stage: string; outcome: string; measured: boolean }[]> {
  const lines = (await readFile(join(out, "requests.jsonl"), "utf8")).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as { stage: string; outcome: string; measured: boolean });
}

void test("a benchmark leaves a report in all its forms, and a line for every request", async (t) => {
  const bench = await setUp(t);
  const { code, world, out } = await bench.run("URL --concurrency 2,4 --requests 12 --slo ttft=60000 --out OUT");
  assert.equal(code, 0, world.stderr.text);
  assert.deepEqual((await readdir(out)).toSorted(), ["report.html", "report.json", "requests.jsonl", "stages.csv"]);
  const report = await readOut(out);
  assert.equal(report.profile, "closed");
  assert.equal(report.endpoint.server, "tgi");
  assert.equal(report.endpoint.route, "/generate_stream");
  assert.equal(report.sweep, null);
  for (const stage of report.stages) {
    assert.equal(stage.counts.scheduled, 12);
    assert.equal(stage.counts.ok, 12);
    assert.equal(stage.metrics.output_tokens.mean, 6);
    assert.equal(stage.slo?.attainment, 1);
    assert.equal(stage.server?.requests_ok, 12);
  }
  const records = await recordsOf(out);
  assert.equal(records.length, 24);
  const page = await readFile(join(out, "report.html"), "utf8");
  assert.ok(page.includes("concurrency 4"));
  assert.match(world.stdout.text, /concurrency 2 .*\n.*concurrency 4 .*[^]*Report: .*report\.html/);
  assert.match(world.stderr.text, /concurrency 2, .* 12 ok, 0 failed/);
});

void test("the client measures itself first, and the report says what it can take in", async (t) => {
  const bench = await setUp(t);
  const world = cliWorld();
  const out = join(bench.folder, "checked");
  assert.equal(await runCli(["bench", bench.url, "--all-at-once", "4", "--threads", "1", "--out", out], world), 0);
  assert.ok(((await readOut(out)).stages[0]?.client.no_op_events_per_second ?? 0) > 0);
  assert.match(world.stderr.text, /^Measuring what this client can take in/);
});

void test("--json prints the report, and nothing else, on standard output", async (t) => {
  const bench = await setUp(t);
  const { code, world, out } = await bench.run("URL --all-at-once 8 --json --out OUT --route chat");
  assert.equal(code, 0, world.stderr.text);
  const printed = BenchReport.parse(JSON.parse(world.stdout.text));
  assert.deepEqual(printed, await readOut(out));
  assert.equal(printed.endpoint.route, "/v1/chat/completions");
  assert.equal(printed.profile, "at-once");
});

void test("a sweep runs its stages and says what it found", async (t) => {
  const bench = await setUp(t, { maxConcurrentRequests: 4 });
  const { code, world, out } = await bench.run("URL --sweep --steps 3 --seconds 1 --out OUT --quiet");
  assert.equal(code, 0, world.stderr.text);
  const report = await readOut(out);
  assert.equal(report.profile, "sweep");
  assert.deepEqual(
    report.stages.slice(0, 2).map(({ name, load }) => [name, load.concurrency]),
    [
      ["one at a time", 1],
      ["full load", 4],
    ],
  );
  assert.ok(report.stages.length >= 3);
  assert.ok(report.stages.slice(2).every(({ load }) => load.kind === "constant"));
  assert.ok((report.sweep?.synchronous_req_s ?? 0) > 0);
  assert.match(world.stdout.text, /knee/);
});

void test("Ctrl-C ends the stage, and what was measured is reported", async (t) => {
  const bench = await setUp(t, { latency: { distribution: "fixed", medianMs: 20 } });
  const world = cliWorld();
  const running = bench.run("URL --concurrency 1,2 --seconds 600 --warm-up 0 --cool-down 0 --out OUT", world);
  const out = join(bench.folder, "run-1");
  while ((await readFile(join(out, "requests.jsonl"), "utf8").catch(() => "")) === "") await pause(20);
  world.signals.emit("SIGINT");
  const { code } = await running;
  assert.equal(code, 130);
  const report = await readOut(out);
  assert.match(report.headlines[0] ?? "", /^Interrupted: 1 stage measured/);
  const [stage] = report.stages;
  assert.ok((stage?.counts.ok ?? 0) > 0);
  assert.ok(stage!.window.end_ms < 600_000);
  assert.match(world.stderr.text, /Ending: the report is written/);
  assert.match(world.stdout.text, /concurrency 1/);
});

void test("a run that is killed keeps the stages that it had finished", async (t) => {
  const bench = await setUp(t, { latency: { distribution: "fixed", medianMs: 20 } });
  const out = join(bench.folder, "killed");
  const bin = fileURLToPath(new URL("../../../cli/bin.js", import.meta.url));
  const words =
    `bench ${bench.url} --poisson 100,0.0001 --requests 20 --out ${out} --quiet --threads 1 --no-self-check`.split(" ");
  const child = spawn(process.execPath, [bin, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  const stderr = text(child.stderr);
  const ended = once(child, "exit");
  const exists = async (): Promise<boolean> => (await readdir(out).catch(() => [] as string[])).includes("report.json");
  while (!(await exists()) && child.exitCode === null) await pause(5);
  // The second stage has days before it.
  child.kill("SIGKILL");
  await ended;
  assert.equal(child.signalCode, "SIGKILL", await stderr);
  const report = await readOut(out);
  assert.equal(report.stages.length, 1);
  assert.equal(report.stages[0]?.counts.ok, 20);
  assert.match(report.headlines[0] ?? "", /^Not finished: written after 1 stage\./);
  assert.ok((await recordsOf(out)).length >= 20);
});

void test("a folder that holds a report is left as it is without --force", async (t) => {
  const bench = await setUp(t);
  const first = await bench.run("URL --all-at-once 3 --out OUT");
  const before = await readOut(first.out);
  const again = await bench.run(`URL --all-at-once 3 --out ${first.out}`);
  assert.equal(again.code, 2);
  assert.match(again.world.stderr.text, /holds the report of another run[^]*--force/);
  assert.deepEqual(await readOut(first.out), before);
  const forced = await bench.run(`URL --all-at-once 3 --force --out ${first.out}`);
  assert.equal(forced.code, 0);
  assert.notEqual((await readOut(first.out)).id, before.id);
  assert.equal((await recordsOf(first.out)).length, 3);
});

void test("an endpoint where nobody listens ends with 1 and leaves no folder", async (t) => {
  const bench = await setUp(t);
  const { code, world } = await bench.run("http://127.0.0.1:9 --all-at-once 3 --out OUT");
  assert.equal(code, 1);
  assert.match(world.stderr.text, /ENDPOINT_UNREACHABLE/);
  assert.deepEqual(await readdir(bench.folder), []);
});

void test("a model that is not served ends with 1 before any request, and the mend names the flag", async (t) => {
  await using gateway = await startScriptedServer(({ path }, response) => {
    response.statusCode = path === "/v1/models" ? 200 : 404;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ object: "list", data: [{ id: "org/one" }, { id: "org/two" }] }));
  });
  const bench = await setUp(t);
  const { code, world } = await bench.run(`${gateway.url} --model-id org/three --all-at-once 3 --out OUT`);
  assert.equal(code, 1);
  assert.match(world.stderr.text, /MODEL_NOT_FOUND[^]*--model-id NAME/);
  assert.ok(gateway.requests.every(({ method }) => method === "GET"));
  assert.deepEqual(await readdir(bench.folder), []);
});

void test("an endpoint that answers nothing but errors ends the run with 1, and the report says so", async (t) => {
  const bench = await setUp(t, { faults: { "500": 1 } });
  const { code, out } = await bench.run("URL --concurrency 2,4 --requests 5 --out OUT");
  assert.equal(code, 1);
  const report = await readOut(out);
  assert.equal(report.stages.length, 1);
  assert.match(report.headlines[0] ?? "", /^No request of the last stage was answered/);
  assert.match(report.headlines[1] ?? "", /^100 % of the requests failed/);
});

void test("what is asked for wrongly ends with 2 before any request", async (t) => {
  const bench = await setUp(t);
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["not-a-url --out OUT", /http/],
    ["URL --concurrency 1 --rate 2 --out OUT", /--concurrency and --rate/],
    ["URL --concurrency 0", /whole numbers above 0/],
    ["URL --slo ttft=fast", /limits in ms/],
    ["URL --seconds 2 --warm-up 2", /not measured/],
    ["URL --column text", /--data/],
    ["URL --steps 4", /--sweep/],
    ["URL --data nowhere.jsonl --out OUT", /nowhere\.jsonl/],
    ["URL --api-key-env sk-secret", /name of an environment variable/],
    ["URL --api-key-env NOT_SET_HERE --out OUT", /NOT_SET_HERE/],
  ];
  for (const [words, says] of wrong) {
    const { code, world } = await bench.run(words);
    assert.equal(code, 2, `${words}: ${world.stderr.text}`);
    assert.match(world.stderr.text, says, words);
    assert.doesNotMatch(world.stderr.text, /sk-secret/);
  }
  assert.deepEqual(await readdir(bench.folder), []);
});

void test("two runs of the same kind are compared, unlike ones refused with the reasons", async (t) => {
  const bench = await setUp(t);
  const [a, b] = [await bench.run("URL --all-at-once 30 --out OUT"), await bench.run("URL --all-at-once 30 --out OUT")];
  const alike = await bench.run(`compare ${a.out} ${join(b.out, "report.json")}`);
  assert.equal(alike.code, 0, alike.world.stderr.text);
  assert.match(alike.world.stdout.text, /30 at once[^]*TTFT p50, ms/);
  const unlike = await bench.run("URL --all-at-once 30 --max-tokens 99 --out OUT");
  const refused = await bench.run(`compare ${a.out} ${unlike.out}`);
  assert.equal(refused.code, 2);
  assert.match(refused.world.stderr.text, /unlike[^]*max_tokens is 128 in one and 99 in the other/);
  const json = await bench.run(`compare ${a.out} ${b.out} --json`);
  assert.equal((JSON.parse(json.world.stdout.text) as { version: number }).version, 1);
  const nothing = await bench.run(`compare ${a.out} ${bench.folder}`);
  assert.equal(nothing.code, 2);
  await writeFile(join(bench.folder, "other.json"), `{"version": 7}`);
  const other = await bench.run(`compare ${a.out} ${join(bench.folder, "other.json")}`);
  assert.match(other.world.stderr.text, /of version 7; this program reads version 1/);
});

void test("the key is sent, and is nowhere in what is written", async (t) => {
  const bench = await setUp(t, { apiKey: "sk-very-secret" });
  const world = cliWorld({ MY_KEY: "sk-very-secret" });
  const { code, out } = await bench.run("URL --all-at-once 4 --api-key-env MY_KEY --out OUT", world);
  assert.equal(code, 0, world.stderr.text);
  assert.equal((await readOut(out)).stages[0]?.counts.ok, 4);
  for (const name of await readdir(out)) {
    assert.ok(!(await readFile(join(out, name), "utf8")).includes("sk-very-secret"), name);
  }
});
