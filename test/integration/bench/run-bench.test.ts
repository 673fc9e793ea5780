import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import type { BenchOptions } from "../../../bench/bench-options.ts";
import type { RequestRecord } from "../../../bench/load/request-record.ts";
import type { Arrivals, StageLoad } from "../../../bench/load/stage-load.ts";
import { runBench } from "../../../bench/run-bench.ts";
import type { SimulatorInput } from "../../../bench/simulator/options.ts";
import { startSimulator } from "../../../bench/simulator/simulator.ts";

async function setUp(
  t: TestContext,
  simulated: SimulatorInput = {},
): Promise<BenchOptions & { readonly folder: string }> {
  const simulator = await startSimulator({ answerTokens: 5, ...simulated });
  const folder = await mkdtemp(join(tmpdir(), "tiding-run-bench-"));
  t.after(async () => {
    await simulator[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  return {
    endpoint: { url: simulator.url, modelId: null, apiKey: null, headers: {}, route: "auto" },
    profile: { kind: "stages", loads: [stage({ kind: "at-once" }, { requests: 4 })] },
    prompts: { source: { kind: "synthetic", tokens: { mean: 20 } }, maxTokens: 16, folder },
    slo: null,
    threads: 1,
    selfCheck: false,
    ignoreEos: true,
    generation: {},
    requestTimeoutMs: 60_000,
    output: join(folder, "out"),
    force: false,
    environment: {},
    folder,
  };
}

function stage(arrivals: Arrivals, changes: Partial<StageLoad> = {}): StageLoad {
  return {
    name: arrivals.kind,
    arrivals,
    seconds: null,
    requests: 8,
    warmUpSeconds: 0,
    coolDownSeconds: 0,
    rampSeconds: 0,
    maxInFlight: 64,
    graceSeconds: 30,
    seed: 1,
    ...changes,
  };
}

const { signal } = new AbortController();

void test("what follows each other is told in its order: the start, each stage, its end", async (t) => {
  const { folder: _, ...options } = await setUp(t);
  const told: string[] = [];
  const loads = [
    stage({ kind: "closed", concurrency: 2 }, { name: "a" }),
    stage({ kind: "closed", concurrency: 4 }, { name: "b" }),
  ];
  const report = await runBench(
    { ...options, profile: { kind: "stages", loads } },
    {
      signal,
      onStart: ({ stages }) => told.push(`start ${stages?.join(" ")}`),
      onStage: ({ name }) => told.push(`stage ${name}`),
      onStageEnd: ({ name, counts }) => told.push(`end ${name} ${counts.ok}`),
    },
  );
  assert.deepEqual(told, ["start a b", "stage a", "end a 8", "stage b", "end b 8"]);
  assert.deepEqual(
    report.stages.map(({ name }) => name),
    ["a", "b"],
  );
});

void test("synthetic prompts go to TGI's own route, conversations of a dataset to chat, and a route that is named there", async (t) => {
  const { folder, ...options } = await setUp(t);
  await writeFile(join(folder, "data.jsonl"), `{"question":"Why?"}\n{"question":"How?"}\n`);
  const source = { kind: "dataset", path: "data.jsonl", column: "question" } as const;
  const routeOf = async (changes: Partial<BenchOptions>): Promise<string> =>
    (await runBench({ ...options, ...changes, force: true }, { signal })).endpoint.route;
  assert.equal(await routeOf({}), "/generate_stream");
  assert.equal(await routeOf({ prompts: { ...options.prompts, source } }), "/v1/chat/completions");
  assert.equal(await routeOf({ endpoint: { ...options.endpoint, route: "completions" } }), "/v1/completions");
});

void test("TGI is not told to ignore the end of a sequence, and the report does not say that it was", async (t) => {
  const { folder: _, ...options } = await setUp(t);
  const { prompts } = await runBench(options, { signal });
  assert.equal(prompts.ignore_eos, false);
});

void test("requests that wait for a place are capped by --max-in-flight, in the headline and in their response times", async (t) => {
  const { folder: _, ...options } = await setUp(t, { latency: { distribution: "fixed", medianMs: 60 } });
  const load = stage({ kind: "constant", rate: 200 }, { name: "200 req/s", requests: 20, maxInFlight: 1 });
  const report = await runBench({ ...options, profile: { kind: "stages", loads: [load] } }, { signal });
  assert.ok(report.headlines.some((text) => text.startsWith("Capped by --max-in-flight 1 at 200 req/s")));
  const [measured] = report.stages;
  assert.equal(measured?.counts.ok, 20);
  const text = await readFile(join(options.output ?? "", "requests.jsonl"), "utf8");
  const records = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as RequestRecord)
    .toSorted((one, other) => one.index - other.index);
  for (const [index, { scheduledMs, sentMs }] of records.entries()) {
    // None is moved by the one before it, though each is sent after that has ended.
    assert.ok(Math.abs(scheduledMs - index * 5) < 0.01);
    assert.ok(index === 0 || sentMs! >= records[index - 1]!.endMs!);
  }
  const slowest = Math.max(...records.map(({ firstTokenMs, scheduledMs }) => firstTokenMs! - scheduledMs));
  assert.ok(Math.abs((measured?.metrics.ttft_response.max ?? 0) - slowest) < slowest * 0.002);
});

void test("a run that is told to end before its first stage measures nothing, sends nothing and leaves nothing", async (t) => {
  const { folder, ...options } = await setUp(t);
  const ending = new AbortController();
  const onStart = (): void => ending.abort();
  await assert.rejects(runBench(options, { signal: ending.signal, onStart }), { name: "AbortError" });
  assert.deepEqual(await readdir(folder), []);
});

void test("a stage that cannot be run is refused before the endpoint is asked anything", async (t) => {
  const { folder, ...options } = await setUp(t);
  const loads = [stage({ kind: "at-once" }), stage({ kind: "closed", concurrency: 0 })];
  await assert.rejects(runBench({ ...options, profile: { kind: "stages", loads } }, { signal }), { code: "USAGE" });
  assert.deepEqual(await readdir(folder), []);
});

void test("more requests in flight than a client has ports are refused", async (t) => {
  const { folder: _, ...options } = await setUp(t);
  const loads = [stage({ kind: "closed", concurrency: 70_000 }, { requests: 70_000 })];
  await assert.rejects(runBench({ ...options, profile: { kind: "stages", loads } }, { signal }), {
    code: "USAGE",
    message: /70000 requests in flight/,
  });
});

void test("a sweep of a server without a limit has a full load that a client can make", async (t) => {
  const { folder: _, ...options } = await setUp(t, { maxConcurrentRequests: 0 });
  const ending = new AbortController();
  const told: Arrivals[] = [];
  const { name: _name, arrivals: _arrivals, ...every } = stage({ kind: "at-once" }, { requests: 2 });
  await runBench(
    { ...options, profile: { kind: "sweep", sweep: { stage: { ...every, seconds: 1 }, maxConcurrency: null } } },
    {
      signal: ending.signal,
      onStage({ arrivals }) {
        told.push(arrivals);
        if (told.length === 2) ending.abort();
      },
    },
  );
  assert.deepEqual(told, [
    { kind: "closed", concurrency: 1 },
    { kind: "closed", concurrency: 1_024 },
  ]);
});

void test("each run has an id of its own, and with it nonces that no other run sent", async (t) => {
  const { folder: _, ...options } = await setUp(t, { log: "memory" });
  const first = await runBench(options, { signal });
  const second = await runBench({ ...options, force: true }, { signal });
  assert.notEqual(first.id, second.id);
  const lines = (await readFile(join(options.output ?? "", "requests.jsonl"), "utf8")).trimEnd().split("\n");
  assert.equal(lines.length, 4);
});
