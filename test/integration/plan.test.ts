/** `tiding plan` against simulated endpoints: what it pays for, what it leaves alone, and what it tells. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { Plan } from "../../bench/plan/plan-document.ts";
import { planJob } from "../../bench/plan/plan-job.ts";
import type { PlanOptions } from "../../bench/plan/plan-options.ts";
import { parseBatchOptions } from "../../bench/simulator/batching/batch-options.ts";
import { runCli } from "../../cli/main.ts";
import { isTidingError, type ErrorCode } from "../../shared/errors.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";
import { cliWorld, type CliWorld } from "../support/cli-world.ts";
import { startFakeHub } from "../support/fake-hub.ts";
import { freePort } from "../support/free-port.ts";
import { JobWorld } from "../support/job-world.ts";
import { chatAnswer, sendJson, startScriptedServer, tgi } from "../support/scripted-server.ts";
import { benchReport, closedStage } from "../support/virtual-bench.ts";

interface Told {
  readonly code: number;
  readonly plan: Plan;
  readonly cli: CliWorld;
}

/** `tiding plan SPEC --json …`, its document checked against the schema. */
async function planOf(world: JobWorld, spec: object, flags: readonly string[] = []): Promise<Told> {
  const file = path.join(world.folder, "job.json");
  await writeFile(file, JSON.stringify(spec));
  const cli = cliWorld();
  const code = await runCli(["plan", file, "--json", ...flags], cli);
  assert.ok(!cli.stdout.text.includes('"error": {'), cli.stdout.text);
  return { code, plan: Plan.parse(JSON.parse(cli.stdout.text)), cli };
}

function plan(world: JobWorld, spec: object, options: Partial<PlanOptions> = {}): Promise<Plan> {
  return planJob({
    loaded: specFromObject(spec, { folder: world.folder, environment: {} }),
    environment: {},
    ...options,
  });
}

function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => isTidingError(error) && error.code === code;
}

void test("twenty rows are paid for, from all over the input, and nothing is written", async () => {
  await using world = await JobWorld.open(1_000, { log: "memory" });
  const { code, plan: told } = await planOf(world, world.spec({ llm: { generation_kwargs: { max_new_tokens: 64 } } }));
  assert.equal(code, 0);
  assert.equal(world.simulator.stats().requests, 20);
  assert.equal(world.simulator.stats().prompts, 20, "each another row");
  assert.ok(!existsSync(world.output));
  assert.deepEqual(told.rows, { total: 1_000, done: 0, to_run: 1_000, counted: "read", error: 0, unreadable: 0 });
  assert.equal(told.sample?.rows, 20);
  assert.equal(told.sample?.calls, 20);
  assert.deepEqual(told.calls, { low: 1_000, likely: 1_000, high: 1_000 });
  const { input_tokens: inputTokens, sample } = told;
  // "question N." in a conversation's frame: a prompt of 3 words.
  assert.equal(inputTokens.likely, 3_000);
  assert.equal(sample?.input_tokens, 60);
  assert.ok(
    told.seconds !== null && told.seconds.low <= told.seconds.likely && told.seconds.likely <= told.seconds.high,
  );
  assert.equal(told.dollars, null);
  assert.match(told.next, /^tiding run .*job\.json$/);
});

void test("fewer rows are paid for where fewer are asked for, or are there", async () => {
  await using world = await JobWorld.open(12);
  const { plan: five } = await planOf(world, world.spec(), ["--sample", "5"]);
  assert.deepEqual([five.sample?.rows, world.simulator.stats().requests], [5, 5]);
  const { plan: all } = await planOf(world, world.spec());
  assert.deepEqual([all.sample?.rows, world.simulator.stats().requests], [12, 17]);
});

void test("requests of answers of the wrong form, of all generations, are calls of the row and are paid for", async () => {
  await using world = await JobWorld.open(100);
  await using model = await startScriptedServer(tgi((_request, response) => sendJson(response, chatAnswer("no JSON"))));
  const schema = { type: "object", properties: { a: { type: "number" } }, required: ["a"] };
  const llm = { base_url: model.url, structured_output: { schema } };
  const step = { task: "structured-generation", columns: { instruction: "question" }, num_generations: 2, llm };
  const { code, plan: told } = await planOf(world, world.spec({ steps: [step] }), ["--sample", "4"]);
  // Two generations, each asked three times in vain.
  assert.equal(model.requests.filter(({ method }) => method === "POST").length, 24);
  assert.deepEqual([told.sample?.calls, told.calls.likely], [24, 600]);
  assert.equal(code, 3);
  assert.deepEqual([told.sample?.failed, told.failed_rows.likely], [4, 100]);
  assert.equal(told.sample?.errors[0]?.code, "ANSWER_MISFIT");
  assert.ok(
    told.warnings.some((warning) => warning.startsWith("4 of 4 sampled rows failed, the first with ANSWER_MISFIT")),
  );
});

void test("answers that are refused for being cut are paid for, and counted", async () => {
  await using world = await JobWorld.open(100, { answerTokens: 50 });
  const llm = { fail_on_length: true, generation_kwargs: { max_new_tokens: 30 } };
  const told = await plan(world, world.spec({ llm }));
  assert.deepEqual([told.sample?.failed, told.sample?.calls, told.sample?.output_tokens], [20, 20, 600]);
  assert.deepEqual([told.calls.likely, told.output_tokens.likely], [100, 3_000]);
});

void test("without a sample nothing is paid, no endpoint is asked, and the range is that of max_new_tokens", async () => {
  await using world = await JobWorld.open(200);
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  const spec = world.spec({ llm: { base_url: nowhere, generation_kwargs: { max_new_tokens: 100 } } });
  const { code, plan: told } = await planOf(world, spec, ["--no-sample"]);
  assert.deepEqual([code, told.sample], [0, null]);
  assert.deepEqual(told.output_tokens, { low: 2_000, likely: 10_000, high: 20_000 });
  assert.ok(told.input_tokens.low < told.input_tokens.likely && told.input_tokens.likely < told.input_tokens.high);
  assert.equal(told.seconds, null, "nothing says how fast it is");
  const { plan: onH100 } = await planOf(world, spec, ["--no-sample", "--preset", "h100"]);
  assert.ok(onH100.seconds !== null && onH100.seconds.low < onH100.seconds.high);
  assert.deepEqual(
    onH100.endpoints.map(({ basis, name }) => [basis, name]),
    [["preset", "h100"]],
  );
});

void test("without a sample turns and steps are followed as far as answers can be made up", async () => {
  await using world = await JobWorld.open(50);
  await writeFile(
    path.join(world.folder, "parse.mjs"),
    `export default { inputs: [], outputs: { parsed: "json" }, run: async ({ llm }) => {
       const { text } = await llm.generate([{ role: "user", content: "Answer in JSON." }]);
       return { parsed: JSON.parse(text), again: await llm.generate([]) };
     } };`,
  );
  const llm = { base_url: world.simulator.url, generation_kwargs: { max_new_tokens: 40 } };
  const steps = [
    { task: "text-generation", columns: { instruction: "question" }, num_generations: 2, llm },
    { task: "judge", columns: { instruction: "question" }, rename: { model_name: "judge_model" }, llm },
    { task: "./parse.mjs", name: "parse", llm },
  ];
  const told = await plan(world, world.spec({ steps }), { sample: 0 });
  assert.deepEqual(
    told.steps.map(({ name, calls }) => [name, calls.likely]),
    [
      ["text-generation", 100],
      ["judge", 100],
      ["parse", 100],
    ],
  );
  assert.ok(told.steps[1]!.input_tokens.likely > 10 * told.steps[0]!.input_tokens.likely, "it reads what it judges");
  assert.ok(
    told.warnings.some((warning) => warning.startsWith("The step parse could not go on with a made-up answer")),
  );
  const unbounded = world.spec({ llm: {} });
  await assert.rejects(plan(world, unbounded, { sample: 0 }), hasCode("USAGE"));
});

void test("of a job that was begun, what is left is planned", async () => {
  await using world = await JobWorld.open(60);
  await world.run(world.spec({ input: { limit: 25 } }));
  const before = world.simulator.stats().requests;
  const told = await plan(world, world.spec());
  assert.deepEqual([told.rows.total, told.rows.done, told.rows.to_run], [60, 25, 35]);
  assert.equal(told.calls.likely, 35);
  assert.equal(world.simulator.stats().requests - before, 20);
  const nothingLeft = await plan(world, world.spec({ input: { limit: 25 } }));
  assert.deepEqual([nothingLeft.rows.to_run, nothingLeft.calls.likely, nothingLeft.seconds?.likely], [0, 0, 0]);
  assert.equal(world.simulator.stats().requests - before, 20, "for nothing nothing is paid");
});

void test("a spec that the output would refuse is refused before a row is paid for", async () => {
  await using world = await JobWorld.open(30);
  await world.run(world.spec());
  const before = world.simulator.stats().requests;
  const other = world.spec({
    input: { limit: 40 },
    step: { system_prompt: "Be brief.", llm: { base_url: world.simulator.url } },
  });
  await assert.rejects(plan(world, other), hasCode("OUTPUT_OTHER_JOB"));
  assert.equal(world.simulator.stats().requests, before);
});

void test("rows that cannot be read, and rows that the endpoint refuses, are foretold to fail", async () => {
  await using world = await JobWorld.open(0, { failPrompts: ["bad"] });
  const lines = Array.from({ length: 300 }, (_, row) =>
    row % 10 === 0 ? "no json" : JSON.stringify({ question: row % 10 < 4 ? `bad ${row}` : `good ${row}` }),
  );
  await writeFile(path.join(world.folder, "rows.jsonl"), `${lines.join("\n")}\n`);
  const told = await plan(world, world.spec());
  assert.equal(told.rows.unreadable, 30);
  assert.equal(told.calls.likely, 270, "one that is refused is a call too");
  const { failed_rows: failed } = told;
  assert.ok(failed.low > 30 && failed.low < 120 && failed.high > 120, JSON.stringify(failed));
  assert.ok((told.sample?.failed ?? 0) > 0);
});

void test("tokens cost by the step, hours by the endpoints, and the sample is priced as well", async () => {
  await using world = await JobWorld.open(200, { answerTokens: 11 });
  const llm = { base_url: world.simulator.url };
  const steps = [
    { task: "text-generation", name: "write", columns: { instruction: "question" }, llm },
    {
      task: "text-generation",
      name: "judge",
      template: "Judge: {{ generation }}",
      rename: { generation: "verdict", model_name: "judge_model" },
      llm: { ...llm, slots: 4 },
    },
  ];
  const flags = ["--price-in", "1", "--price-out", "2", "--price-out", "judge=20"];
  const { plan: told } = await planOf(world, world.spec({ steps }), flags);
  const [write, judge] = told.steps;
  assert.deepEqual([write?.output_tokens.likely, judge?.output_tokens.likely], [2_200, 2_200]);
  const dollars = (write!.input_tokens.likely + 2 * 2_200 + judge!.input_tokens.likely + 20 * 2_200) / 1e6;
  assert.ok(Math.abs((told.dollars?.likely ?? 0) - dollars) < 1e-9, `${told.dollars?.likely} against ${dollars}`);
  assert.ok(Math.abs((judge?.dollars?.likely ?? 0) - (judge!.input_tokens.likely + 44_000) / 1e6) < 1e-9);
  assert.ok(Math.abs((told.sample?.dollars ?? 0) - dollars / 10) < 1e-6, "a tenth of the rows");
  assert.equal(told.sample?.calls, 40);

  const { plan: hourly } = await planOf(world, world.spec(), ["--price-hour", "36"]);
  assert.ok(Math.abs((hourly.dollars?.likely ?? 0) - (hourly.seconds?.likely ?? 0) / 100) < 1e-9);
});

void test("the price of a dedicated endpoint is Hugging Face's, and one that is not told is a notice", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(40);
  const compute = { instanceType: "nvidia-a10g", instanceSize: "x1", scaling: { minReplica: 2, maxReplica: 4 } };
  const body = { provider: { vendor: "aws", region: "us-east-1" }, compute };
  hub.endpoints["ada/writer"] = { state: "running", url: world.simulator.url, body };
  const spec = world.spec({ step: { llm: { endpoint_name: "writer", slots: 8 } } });
  const loaded = specFromObject(spec, { folder: world.folder, environment: {} });
  const told = await planJob({ loaded, environment: hub.environment });
  assert.deepEqual(
    told.endpoints.map((endpoint) => endpoint.price_per_hour),
    [2.5],
  );
  assert.ok(Math.abs((told.dollars?.likely ?? 0) - (2.5 * (told.seconds?.likely ?? 0)) / 3_600) < 1e-9);

  hub.vendors = [];
  const notices: string[] = [];
  const unpriced = await planJob({ loaded, environment: hub.environment, onNotice: (notice) => notices.push(notice) });
  assert.equal(unpriced.dollars, null);
  assert.ok(notices.includes("Hugging Face names no price for the endpoint writer."), notices.join("\n"));
});

/** Of an endpoint that is ten times slower than any simulator here. */
function slowReport(url: string) {
  const line = { baseMs: 100, sequenceMs: 1 };
  const options = parseBatchOptions({ stepTime: { graphs: line, eager: line }, kvTokens: 1_000_000 });
  const stages = [1, 8].map((slots) =>
    closedStage(
      options,
      Array.from({ length: 100 * slots }, (_, index) => ({
        promptTokens: 3,
        outputTokens: 8 + (index % 5),
        maxNewTokens: 512,
      })),
      { slots },
    ),
  );
  return benchReport(stages, { endpoint: { ...benchReport([]).endpoint, url } });
}

void test("a bench run of the endpoint decides the time, and the job's slots within it are no bound", async () => {
  await using world = await JobWorld.open(400, { answerTokens: 10 });
  const folder = path.join(world.folder, "bench.json");
  await writeFile(folder, JSON.stringify(slowReport(world.simulator.url)));
  const { plan: told } = await planOf(world, world.spec(), ["--bench", folder]);
  assert.deepEqual(
    told.endpoints.map(({ basis, name }) => [basis, name]),
    [["bench", "b1"]],
  );
  assert.equal(told.time_is_bound, false);
  // 400 rows, 8 at a time, 10 steps of 108 ms each, and up to two more to be let in.
  const { likely } = told.seconds!;
  assert.ok(likely > 54 * 0.93 && likely < 54 * 1.25, String(likely));
  assert.ok(told.rests_on.some((sentence) => sentence.includes("the bench run b1 of 2026-11-21")));

  const { plan: beyond } = await planOf(world, world.spec({ llm: { slots: 64 } }), ["--bench", folder]);
  assert.equal(beyond.time_is_bound, true);
  assert.ok(beyond.seconds!.low < beyond.seconds!.high);
  assert.ok(beyond.warnings.some((warning) => /up to 64 requests at a time, and it was seen with 8/.test(warning)));
});

void test("of several endpoints each has its own bench run, and they share the rows", async () => {
  await using world = await JobWorld.open(400, { answerTokens: 10 });
  await using other = await JobWorld.open(0, { answerTokens: 10 });
  const benches = [world, other].map(({ simulator }) => slowReport(simulator.url));
  const one = await plan(world, world.spec(), { benches });
  const both = await plan(world, world.spec({ llm: { base_url: [world.simulator.url, other.simulator.url] } }), {
    benches,
  });
  assert.equal(both.endpoints.length, 2);
  const share = both.seconds!.likely / one.seconds!.likely;
  assert.ok(Math.abs(share - 0.5) < 0.05, String(share));
});

void test("what is wrong with options and reports is told before a row is paid for", async () => {
  await using world = await JobWorld.open(30);
  const spec = world.spec();
  const empty = benchReport([]);
  for (const options of [
    { sample: 21 },
    { sample: 1.5 },
    { seed: -1 },
    { preset: "h1000" },
    { benches: [empty] },
    { prices: { input: { nobody: 1 } } },
    { prices: { hour: Number.NaN } },
  ])
    await assert.rejects(plan(world, spec, options), hasCode("USAGE"), JSON.stringify(options));
  assert.equal(world.simulator.stats().requests, 0);

  const file = path.join(world.folder, "job.json");
  await writeFile(file, JSON.stringify(spec));
  for (const flags of [
    ["--sample", "0"],
    ["--sample", "21"],
    ["--price-in", "cheap"],
    ["--bench", path.join(world.folder, "nowhere.json")],
    ["--bench", file],
  ]) {
    const cli = cliWorld();
    assert.equal(await runCli(["plan", file, ...flags], cli), 2, flags.join(" "));
    assert.match(cli.stderr.text, /^error USAGE\n/);
  }
  assert.equal(world.simulator.stats().requests, 0);
});

void test("an endpoint that is away or refuses the key ends the plan with its error", async () => {
  await using world = await JobWorld.open(30, { apiKey: "right" });
  await assert.rejects(plan(world, world.spec()), hasCode("UNAUTHORIZED"));
  const away = world.spec({
    llm: { base_url: `http://127.0.0.1:${await freePort()}` },
    run: { endpoint_wait: "50ms" },
  });
  await assert.rejects(plan(world, away), hasCode("NO_ENDPOINT"));
});

void test("Ctrl-C ends a plan while its sample runs", async () => {
  await using world = await JobWorld.open(100, { latency: { distribution: "fixed", medianMs: 600_000 } });
  const file = path.join(world.folder, "job.json");
  await writeFile(file, JSON.stringify(world.spec()));
  const cli = cliWorld();
  const planning = runCli(["plan", file], cli);
  while (world.simulator.stats().inFlight === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  cli.signals.emit("SIGINT");
  assert.equal(await planning, 130);
});

void test("rows by standard input are counted and sampled, and rows out of nothing too", async () => {
  await using world = await JobWorld.open(0);
  const lines = Array.from({ length: 500 }, (_, row) => `${JSON.stringify({ question: `piped ${row}` })}\n`);
  const piped = world.spec({ input: { path: "-", format: "jsonl" } });
  const told = await plan(world, piped, { standardInput: Readable.from(lines) });
  assert.deepEqual([told.rows.total, told.sample?.rows], [500, 20]);
  assert.ok(!existsSync(world.output));

  const task = path.join(world.folder, "count.mjs");
  await writeFile(
    task,
    `export default { inputs: [], outputs: { said: "string" },
       run: async ({ llm }) => ({ said: (await llm.generate([{ role: "user", content: "Say a word." }])).text }) };`,
  );
  const llm = { base_url: world.simulator.url };
  const generated = await plan(
    world,
    world.spec({ input: { path: undefined, generate: { rows: 70_000 } }, steps: [{ task, llm }] }),
  );
  assert.deepEqual([generated.rows.total, generated.rows.counted, generated.calls.likely], [70_000, "spec", 70_000]);
});

void test("a plan in words says what was paid, what is expected, what it rests on and what to do next", async () => {
  await using world = await JobWorld.open(100, { answerTokens: 20 });
  const file = path.join(world.folder, "job.json");
  await writeFile(file, JSON.stringify(world.spec({ llm: { slots: 64 } })));
  const cli = cliWorld();
  assert.equal(await runCli(["plan", file, "--limit", "50", "--price-out", "1"], cli), 0);
  const { text } = cli.stdout;
  for (const expected of [
    /^job {2}plan, nothing was written\n/,
    /rows +50 to run · 50 in the job/,
    /sample +20 rows run for real in \S+ · 20 calls/,
    /tokens out +1,000 +1,000 +1,000/,
    /time, a bound +\S/,
    /cost +\$0\.001/,
    /rests on +• Rows: counted, by reading the input\./,
    /mind +• Time is a bound: the job sends http:/,
    /To run it:\n {2}tiding run .*job\.json --limit 50\n/,
  ])
    assert.match(text, expected);
  assert.match(cli.stderr.text, /Running 20 rows for real/);
});
