/** Whole jobs whose rows are generated: with tasks that read no columns, and with Magpie. */
import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { jobStatus } from "../../jobs/job-status.ts";
import { previewJob } from "../../jobs/preview-job.ts";
import { retryJob } from "../../jobs/retry-job.ts";
import { isTidingError } from "../../shared/errors.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";
import { startJobProcess } from "../support/job-process.ts";
import { idsOf, JobWorld, upTo } from "../support/job-world.ts";
import { readPart } from "../support/read-part.ts";

/** Asks the simulated endpoint, through a task of one's own that reads no column. */
const OWN_TASK = `export default {
  inputs: [],
  outputs: { poem: "string" },
  async run({ llm }) {
    return { poem: (await llm.generate([{ role: "user", content: "Write a poem." }])).text };
  },
};`;

/** Plays the user where it is asked to, and says which seed it was given; a third of the seeds is refused. */
const MAGPIE_LLM = `import { TidingError } from "tiding";
export default (options) => ({
  modelName: "played",
  async call({ input, preQuery, seed }) {
    if (options.refuses && !preQuery && seed % 3 === 1) throw new TidingError("REQUEST_REJECTED", "Not this one.");
    const isSilent = options.silent && preQuery && seed % 3 === 0;
    const said = input.filter(({ role }) => role !== "system").length;
    const text = isSilent ? "<|im_end|>" : preQuery ? "question " + said + " of " + seed : "answer to " + input.at(-1).content;
    return { text, reasoning: null, finishReason: "stop", inputTokens: 1, outputTokens: 1, model: "played" };
  },
});`;

async function open(options: Parameters<typeof JobWorld.open>[1] = {}): Promise<JobWorld> {
  const world = await JobWorld.open(0, { seedChangesAnswer: true, ...options });
  await writeFile(path.join(world.folder, "poem.mjs"), OWN_TASK);
  await writeFile(path.join(world.folder, "played.ts"), MAGPIE_LLM);
  return world;
}

/** The spec of a job without an input file. */
function specOf(
  world: JobWorld,
  step: object,
  changes: { input?: object; output?: object; run?: object } = {},
): object {
  const { input, ...rest } = changes;
  const whole = world.spec({ ...rest, steps: [step] }) as Record<string, unknown>;
  const { input: _, ...others } = whole;
  return input === undefined ? others : { ...others, input };
}

function poems(world: JobWorld, rows: number, changes: { output?: object } = {}): object {
  const step = { task: "./poem.mjs", llm: { base_url: world.simulator.url, slots: 8 } };
  return specOf(world, step, { ...changes, input: { generate: { rows } } });
}

function magpies(world: JobWorld, step: object, options: object = {}): object {
  return specOf(world, { task: "magpie-generator", llm: { class: "./played.ts", options }, ...step });
}

const noneLost = (rows: number) => ({ accepted: rows, failed: 0, total: rows });

void test("a job makes the number of rows that it is told to, with ids from 0 and seeds of their own", async () => {
  await using world = await open();
  const report = await world.run(poems(world, 100));
  assert.deepEqual(report.rows, noneLost(100), JSON.stringify(report.error));
  const rows = await world.rows();
  assert.deepEqual(idsOf(rows), upTo(100));
  assert.deepEqual(Object.keys(rows[0] ?? {}), ["poem", "tiding"]);
  assert.equal(new Set(rows.map(({ tiding }) => tiding.seed)).size, 100);
});

void test("a job that is killed goes on where it was, and no committed row is asked for again", async () => {
  await using world = await open({ latency: { distribution: "fixed", medianMs: 20 } });
  const spec = poems(world, 120);
  const settings = { leaseMs: 2_000, reconcileMs: 100 };
  const crash = { step: "batch-recorded", count: 4 } as const;
  const killed = startJobProcess({ folder: world.folder, spec, settings, crash });
  assert.equal((await killed.ended).signal, "SIGKILL");
  const report = await world.run(spec, { takeoverMs: 2_000 });
  assert.deepEqual(report.rows, noneLost(120), JSON.stringify(report.error));
  assert.deepEqual(idsOf(await world.rows()), upTo(120));
  assert.ok(report.run.calls.answers < 120, `${report.run.calls.answers} answers`);
});

void test("raising the number of rows extends the job, and asks for the new rows alone", async () => {
  await using world = await open();
  await world.run(poems(world, 20));
  const before = await world.rows();
  const again = await world.run(poems(world, 20));
  assert.equal(again.run.calls.answers, 0);
  const report = await world.run(poems(world, 50));
  assert.deepEqual(report.rows, noneLost(50));
  assert.equal(report.run.calls.answers, 30);
  const rows = await world.rows();
  assert.deepEqual(idsOf(rows), upTo(50));
  assert.deepEqual(rows.slice(0, 20), before);
});

void test("the number of rows cannot be lowered, and the key that says so is named", async () => {
  await using world = await open();
  const refused = async (spec: object): Promise<string | undefined> => {
    const error: unknown = await world.run(spec).then(
      () => assert.fail("it was run"),
      (thrown: unknown) => thrown,
    );
    if (!isTidingError(error) || error.code !== "USAGE") throw error;
    return error.place;
  };
  await world.run(magpies(world, { num_rows: 20 }));
  assert.equal(await refused(magpies(world, { num_rows: 10 })), "steps.0.num_rows");
  const step = { task: "magpie-generator", llm: { class: "./played.ts", options: {} } };
  assert.equal(await refused(specOf(world, step, { input: { generate: { rows: 5 } } })), "input.generate.rows");
  assert.equal(await refused(specOf(world, step, { input: { generate: { rows: 30 }, limit: 5 } })), "input.limit");
});

void test("an output of generated rows is not taken up with a file, nor the other way round", async () => {
  await using world = await open();
  await world.run(poems(world, 5));
  const step = { task: "./poem.mjs", llm: { base_url: world.simulator.url } };
  await writeFile(path.join(world.folder, "rows.jsonl"), '{"question":"a"}\n');
  const ofFile = specOf(world, step, { input: { path: "rows.jsonl" } });
  await assert.rejects(world.run(ofFile), (error) => isTidingError(error) && error.code === "INPUT_CHANGED");
  const other = { output: { path: "other" } };
  await world.run(specOf(world, step, { ...other, input: { path: "rows.jsonl" } }));
  await assert.rejects(
    world.run(poems(world, 5, other)),
    (error) => isTidingError(error) && error.code === "INPUT_CHANGED",
  );
});

void test("progress and status tell how many rows there will be", async () => {
  await using world = await open();
  const totals = new Set<number | null>();
  const report = await world.run(poems(world, 400), {
    onProgress: ({ rows, estimatedTotal }) => totals.add(rows.total ?? estimatedTotal),
  });
  assert.deepEqual(report.rows, noneLost(400));
  totals.delete(null);
  assert.deepEqual([...totals], [400]);
  const { rows } = await jobStatus(world.output);
  assert.deepEqual(rows, { ...noneLost(400), landed: 400, committed: 400 });
});

void test("no rows give an empty part", async () => {
  await using world = await open();
  const report = await world.run(poems(world, 0));
  assert.deepEqual([report.rows, report.parts], [noneLost(0), 1]);
});

for (const format of ["jsonl", "arrow", "parquet"] as const) {
  void test(`a dataset in ${format} may have no column but the task's`, async () => {
    await using world = await open();
    const report = await world.run(poems(world, 20, { output: { format, metadata: false } }));
    assert.deepEqual(report.rows, noneLost(20), JSON.stringify(report.error));
    const [name = ""] = await readdir(path.join(world.output, "data"));
    const rows = await readPart(path.join(world.output, "data", name), format);
    assert.deepEqual([rows.length, Object.keys(rows[0] ?? {})], [20, ["poem"]]);
  });
}

void test("text-generation with a template without columns samples one prompt", async () => {
  await using world = await open();
  const step = { task: "text-generation", template: "Write a poem.", llm: { base_url: world.simulator.url } };
  await world.run(specOf(world, step, { input: { generate: { rows: 10 } } }));
  assert.equal(new Set((await world.rows()).map(({ generation }) => generation)).size, 10);
});

for (const [what, step] of Object.entries({ "an instruction": {}, "the row's id": { template: "{{ row_id }}" } })) {
  void test(`text-generation that needs ${what} is refused before the first call`, async () => {
    await using world = await open();
    const spec = specOf(
      world,
      { task: "text-generation", llm: { base_url: world.simulator.url }, ...step },
      { input: { generate: { rows: 10 } } },
    );
    await assert.rejects(world.run(spec), (error) => isTidingError(error) && error.code === "COLUMN_MISSING");
    assert.equal(world.simulator.stats().answers, 0);
  });
}

void test("magpie-generator makes exactly num_rows rows without an input, each a conversation of its own", async () => {
  await using world = await open();
  const report = await world.run(magpies(world, { num_rows: 75 }));
  assert.deepEqual(report.rows, noneLost(75), JSON.stringify(report.error));
  const rows = (await world.rows()) as unknown as readonly Record<string, unknown>[];
  assert.deepEqual(Object.keys(rows[0] ?? {}), ["instruction", "response", "model_name", "tiding"]);
  assert.equal(new Set(rows.map((row) => row["instruction"])).size, 75);
  for (const row of rows) assert.equal(row["response"], `answer to ${String(row["instruction"])}`);
});

void test("num_rows and input.generate are one and the same job, which either extends", async () => {
  await using world = await open();
  await world.run(magpies(world, { num_rows: 10 }));
  const llm = { class: "./played.ts", options: {} };
  const spec = specOf(world, { task: "magpie-generator", llm }, { input: { generate: { rows: 25 } } });
  assert.deepEqual((await world.run(spec)).rows, noneLost(25));
  assert.deepEqual((await world.run(magpies(world, { num_rows: 30, n_turns: 1 }))).rows, noneLost(30));
});

void test("each generation of a row is another conversation, with its turns in order and its calls recorded", async () => {
  await using world = await open();
  await world.run(magpies(world, { num_rows: 10, n_turns: 2, num_generations: 3 }));
  const rows = (await world.rows()) as unknown as readonly {
    conversation: { role: string; content: string }[];
    tiding: { calls: string };
  }[];
  assert.equal(new Set(rows.map(({ conversation }) => conversation[0]?.content)).size, 30);
  for (const { conversation, tiding } of rows) {
    assert.deepEqual(
      conversation.map(({ role }) => role),
      ["user", "assistant", "user", "assistant"],
    );
    assert.match(conversation[2]?.content ?? "", /^question 2 of /);
    const calls = JSON.parse(tiding.calls) as { seed: number; call: number }[];
    assert.deepEqual(
      calls.map(({ call }) => call),
      [0, 1, 2, 3],
    );
    assert.equal(new Set(calls.map(({ seed }) => seed)).size, 4);
  }
});

void test("a model that wrote nothing for the user is asked again with another seed, and every call is recorded", async () => {
  await using world = await open();
  const report = await world.run(magpies(world, { num_rows: 60 }, { silent: true }));
  assert.deepEqual(
    report.failures.map(({ code }) => code),
    ["NO_INSTRUCTION"],
  );
  const rows = (await world.rows()) as unknown as { instruction: string; tiding: { calls: string } }[];
  const calls = rows.map(({ tiding }) => (JSON.parse(tiding.calls) as { seed: number }[]).map(({ seed }) => seed));
  assert.deepEqual(new Set(calls.map((seeds) => seeds.length)), new Set([2, 3, 4]));
  for (const [row, seeds] of calls.entries()) {
    assert.equal(new Set(seeds).size, seeds.length);
    assert.equal(rows[row]?.instruction, `question 0 of ${seeds.at(-2)}`);
  }
  const failed = (await world.rows("failed")) as unknown as { tiding: { attempts: number; raw_response: string } }[];
  assert.deepEqual(new Set(failed.map(({ tiding }) => tiding.raw_response)), new Set(["<|im_end|>"]));
  assert.deepEqual(new Set(failed.map(({ tiding }) => tiding.attempts)), new Set([3]));
});

void test("under a fixed seed what is asked again has another one, and so has each generation", async () => {
  const runs: number[][][] = [];
  for (let run = 0; run < 2; run++) {
    await using world = await open();
    // The played user says nothing to seeds that are multiples of 3.
    const llm = { class: "./played.ts", options: { silent: true }, generation_kwargs: { seed: 9 } };
    await world.run(magpies(world, { num_rows: 20, num_generations: 2, keep: "partial", llm }));
    const rows = (await world.rows()) as unknown as { tiding: { calls: string } }[];
    const calls = rows.map(({ tiding }) => JSON.parse(tiding.calls) as { seed: number; generation: number }[]);
    for (const of of calls) {
      const first = 9 + (of[0]?.generation ?? 0);
      assert.deepEqual([of[0]?.seed, of.at(-1)?.seed], [first, first], "what is asked first has the fixed one");
      assert.equal(new Set(of.slice(0, -1).map(({ seed }) => seed)).size, of.length - 1);
    }
    assert.ok(calls.some((of) => of.length > 2));
    assert.deepEqual(new Set(calls.map(([call]) => call?.generation)), new Set([0, 1]));
    runs.push(calls.map((of) => of.map(({ seed }) => seed)));
  }
  assert.deepEqual(runs[0], runs[1]);
});

void test("a message that the token limit cut stays and marks its row, or fails it where the spec says so", async () => {
  await using world = await open();
  const cutting = `export default () => ({
    modelName: "cut",
    async call({ preQuery }) {
      const [text, finishReason] = preQuery ? ["What is the", "length"] : ["An answer.", "stop"];
      return { text, reasoning: null, finishReason, inputTokens: 1, outputTokens: 3, model: "cut" };
    },
  });`;
  await writeFile(path.join(world.folder, "cut.ts"), cutting);
  const report = await world.run(magpies(world, { num_rows: 3, llm: { class: "./cut.ts" } }));
  assert.deepEqual([report.rows, report.run.calls.cutByLength], [noneLost(3), 3]);
  const rows = (await world.rows()) as unknown as { instruction: string; tiding: { finish_reason: string } }[];
  for (const { instruction, tiding } of rows) {
    assert.deepEqual([instruction, tiding.finish_reason], ["What is the", "length"]);
  }
  const strict = { num_rows: 3, llm: { class: "./cut.ts", fail_on_length: true } };
  const { output, ...others } = magpies(world, strict) as { output: object };
  const failing = await world.run({ ...others, output: { ...output, path: "strict" } });
  assert.deepEqual(
    failing.failures.map(({ code, rows: count }) => [code, count]),
    [["ANSWER_CUT", 3]],
  );
  assert.equal(failing.run.calls.answers, 3, "nobody answers what was cut");
});

void test("a row whose first message is late holds no other row's turns up", { timeout: 60_000 }, async () => {
  await using world = await open();
  const late = `export default ({ others }) => {
    let answered = 0;
    let isFirst = true;
    let letGo;
    const held = new Promise((resolve) => (letGo = resolve));
    return {
      modelName: "late",
      async call({ input, preQuery }) {
        if (isFirst) {
          isFirst = false;
          await held;
        }
        answered += 1;
        if (answered === others) letGo();
        const text = (preQuery ? "question " : "answer ") + input.length;
        return { text, reasoning: null, finishReason: "stop", inputTokens: 1, outputTokens: 1, model: "late" };
      },
    };
  };`;
  await writeFile(path.join(world.folder, "late.ts"), late);
  const [rows, turns] = [12, 3];
  const llm = { class: "./late.ts", slots: 4, options: { others: (rows - 1) * turns * 2 } };
  const report = await world.run(magpies(world, { num_rows: rows, n_turns: turns, llm }));
  assert.deepEqual(report.rows, noneLost(rows), JSON.stringify(report.error));
});

void test("system prompts are drawn row by row, the same in every run", async () => {
  const system_prompt = { formal: ["Be formal.", 0.5], brief: { prompt: "Be brief.", weight: 0.5 } };
  const drawn = async (): Promise<readonly unknown[]> => {
    await using world = await open();
    await world.run(magpies(world, { num_rows: 40, system_prompt }));
    return ((await world.rows()) as unknown as { system_prompt_key: string }[]).map((row) => row.system_prompt_key);
  };
  const keys = await drawn();
  assert.deepEqual(new Set(keys), new Set(["formal", "brief"]));
  assert.deepEqual(await drawn(), keys);
});

void test("rows of which a call failed are failed rows without columns, and a retry finds them after an extension", async () => {
  await using world = await open();
  await world.run(magpies(world, { num_rows: 20 }, { refuses: true }));
  const { rows } = await world.run(magpies(world, { num_rows: 60 }, { refuses: true }));
  assert.ok(rows.failed > 0 && rows.accepted > 0, JSON.stringify(rows));
  assert.equal(rows.accepted + rows.failed, 60);
  const failed = await world.rows("failed");
  assert.deepEqual([failed.length, Object.keys(failed[0] ?? {})], [rows.failed, ["tiding"]]);
  assert.ok(Math.max(...idsOf(failed)) >= 20, "one lies beyond the rows that the first run made");
  const overrides = ["steps.0.llm.options.refuses=false"];
  const report = await retryJob({ output: world.output, overrides, environment: {} });
  assert.deepEqual(report.rows, noneLost(60), JSON.stringify(report.error));
  assert.deepEqual(idsOf(await world.rows()), upTo(60));
});

void test("magpie reads a file's system prompts, and keeps the file's columns", async () => {
  await using world = await open();
  const lines = ["Be formal.", null].map((system_prompt, id) => JSON.stringify({ id, system_prompt }));
  await writeFile(path.join(world.folder, "rows.jsonl"), lines.join("\n"));
  const step = {
    task: "magpie",
    llm: { class: "./played.ts" },
    include_system_prompt: true,
    system_prompt: "Be kind.",
  };
  await world.run(specOf(world, step, { input: { path: "rows.jsonl" } }));
  const rows = (await world.rows()) as unknown as { id: bigint; conversation: { role: string; content: string }[] }[];
  assert.deepEqual(
    rows.map(({ id, conversation }) => [Number(id), conversation[0]]),
    [
      [0, { role: "system", content: "Be formal." }],
      [1, { role: "system", content: "Be kind." }],
    ],
  );
});

void test("a preview shows generated rows", async () => {
  await using world = await open();
  const loaded = specFromObject(magpies(world, { num_rows: 2 }), { folder: world.folder, environment: {} });
  const rows = await previewJob({ loaded, environment: {}, rows: 5 });
  assert.deepEqual(
    rows.map(({ row_id, calls }) => [row_id, calls.length]),
    [
      [0, 2],
      [1, 2],
    ],
  );
});
