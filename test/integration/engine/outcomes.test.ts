import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { tableFromIPC } from "apache-arrow";
import { startSimulator } from "../../../bench/simulator/simulator.ts";
import { answerOf, idsOf, JobWorld, questionOf, upTo } from "../../support/job-world.ts";

void test("every row lands once, in input order, with its own answer and a seed of its own", async () => {
  await using world = await JobWorld.open(200, { latency: { distribution: "lognormal", medianMs: 5, sigma: 1 } });
  const report = await world.run(world.spec({ output: { part_bytes: 20_000 } }));
  assert.equal(report.outcome, "finished");
  const rows = await world.rows();
  assert.deepEqual(idsOf(rows), upTo(200));
  for (const [row, { question, generation }] of rows.entries()) {
    assert.equal(question, questionOf(row));
    assert.ok(String(generation).startsWith(answerOf(row)));
  }
  assert.equal(new Set(rows.map(({ tiding }) => tiding.seed)).size, 200);
  assert.ok(report.parts > 1);
});

void test("two runs of one job give every row the same seed", async () => {
  await using world = await JobWorld.open(20);
  await world.run(world.spec());
  const seeds = (await world.rows()).map(({ tiding }) => tiding.seed);
  await using again = await JobWorld.open(20);
  await again.run(again.spec());
  assert.deepEqual(
    (await again.rows()).map(({ tiding }) => tiding.seed),
    seeds,
  );
});

void test("a job without rows gives an empty part that can be loaded", async () => {
  await using world = await JobWorld.open(0);
  const report = await world.run(world.spec({ input: { types: { question: "string" } } }));
  assert.deepEqual(report.rows, { accepted: 0, failed: 0, total: 0 });
  assert.equal(report.parts, 1);
  assert.deepEqual(await world.rows(), []);
});

void test("several generations become rows of their own, or lists where they are grouped", async () => {
  await using world = await JobWorld.open(10, { seedChangesAnswer: true });
  await world.run(world.spec({ step: { num_generations: 3 } }));
  const rows = await world.rows();
  assert.deepEqual(
    idsOf(rows),
    upTo(10).flatMap((row) => [row, row, row]),
  );
  assert.deepEqual(
    rows.slice(0, 3).map(({ tiding }) => tiding.generation),
    [0, 1, 2],
  );
  assert.equal(new Set(rows.map(({ generation }) => generation)).size, 30);
  await using grouped = await JobWorld.open(10, { seedChangesAnswer: true });
  await grouped.run(grouped.spec({ step: { num_generations: 3, group_generations: true } }));
  const lists = (await grouped.rows()).map(({ generation }) => generation as string[]);
  assert.deepEqual(
    lists.flat(),
    rows.map(({ generation }) => generation),
  );
});

void test("a row of which one generation fails fails whole, or keeps the others where the spec says so", async () => {
  const faults = { faults: { "422": 0.2 }, seedChangesAnswer: true };
  await using world = await JobWorld.open(40, faults);
  const strict = await world.run(world.spec({ step: { num_generations: 3 } }));
  assert.ok(strict.rows.failed > 0);
  assert.equal((await world.rows()).length, strict.rows.accepted * 3);
  await using partial = await JobWorld.open(40, faults);
  const kept = await partial.run(partial.spec({ step: { num_generations: 3, keep: "partial" } }));
  assert.ok(kept.rows.accepted > strict.rows.accepted);
  assert.ok((await partial.rows()).length < kept.rows.accepted * 3);
});

void test("steps follow one another on each row", async () => {
  await using world = await JobWorld.open(30);
  const llm = { base_url: world.simulator.url };
  const steps = [
    { task: "text-generation", columns: { instruction: "question" }, llm, rename: { model_name: "first_model" } },
    { task: "text-generation", template: "Judge: {{ generation }}", llm, rename: { generation: "verdict" } },
  ];
  const report = await world.run(world.spec({ steps }));
  assert.deepEqual(report.rows, { accepted: 30, failed: 0, total: 30 });
  assert.equal(report.run.calls.answers, 60);
  const [row] = (await world.rows()) as unknown as Record<string, unknown>[];
  assert.deepEqual(Object.keys(row ?? {}), [
    "question",
    "generation",
    "first_model",
    "verdict",
    "model_name",
    "tiding",
  ]);
});

void test("a task of one's own may call the model as often as it likes, and every call is recorded", async () => {
  await using world = await JobWorld.open(12);
  await writeFile(
    path.join(world.folder, "twice.mjs"),
    `export default {
      inputs: ["question"],
      outputs: { answer: "string", length: "int64" },
      async run({ row, llm }) {
        const first = await llm.generate([{ role: "user", content: row.question }]);
        const second = await llm.generate([{ role: "user", content: first.text }], { turn: 1 });
        return { answer: second.text, length: second.text.length };
      },
    };`,
  );
  const step = { task: "./twice.mjs", columns: {} };
  const report = await world.run(world.spec({ step }));
  assert.deepEqual(report.rows, { accepted: 12, failed: 0, total: 12 });
  const [row] = (await world.rows()) as unknown as { tiding: { calls: string; attempts: number } }[];
  const calls = JSON.parse(row?.tiding.calls ?? "") as { seed: number }[];
  assert.equal(calls.length, 2);
  assert.notEqual(calls[0]?.seed, calls[1]?.seed);
});

void test("a task that throws fails its row with the reason", async () => {
  await using world = await JobWorld.open(12);
  await writeFile(
    path.join(world.folder, "picky.mjs"),
    `export default { inputs: ["question"], outputs: ["n"], usesLLM: false,
      run({ row }) { if (row.question === "question 5.") throw new Error("not this one"); return { n: row.question.length }; } };`,
  );
  const report = await world.run(world.spec({ steps: [{ task: "./picky.mjs" }] }));
  assert.deepEqual(report.rows, { accepted: 11, failed: 1, total: 12 });
  assert.deepEqual(report.failures, [{ code: "TASK_FAILED", rows: 1, example: "not this one" }]);
  assert.deepEqual(idsOf(await world.rows("failed")), [5]);
});

void test("several endpoints share the work, and one that refuses connections leaves it to the others", async () => {
  await using world = await JobWorld.open(120, { latency: { distribution: "fixed", medianMs: 5 } });
  await using second = await startSimulator({ latency: { distribution: "fixed", medianMs: 5 } });
  const base_url = [world.simulator.url, second.url, "http://127.0.0.1:1"];
  const report = await world.run(world.spec({ llm: { base_url, slots: 4 } }));
  assert.deepEqual(report.rows, { accepted: 120, failed: 0, total: 120 });
  assert.ok(world.simulator.stats().answers > 20);
  assert.ok(second.stats().answers > 20);
});

void test("faults of every retryable kind cost attempts, never rows", async () => {
  const faults = {
    "429": 0.05,
    "429-retry-after": 0.03,
    "503-retry-after": 0.03,
    "500": 0.05,
    reset: 0.05,
    "truncated-body": 0.03,
    "garbage-json": 0.03,
    "html-200": 0.03,
    "error-in-200": 0.02,
  };
  await using world = await JobWorld.open(150, { faults, retryAfterSeconds: 0 });
  const report = await world.run(world.spec({ run: { attempts: 12 } }));
  assert.deepEqual(report.rows, { accepted: 150, failed: 0, total: 150 });
  assert.ok(report.run.calls.retries.transient > 0 && report.run.calls.retries["back-pressure"] > 0);
  assert.deepEqual(idsOf(await world.rows()), upTo(150));
});

void test("streamed answers are the same answers, truncated streams included", async () => {
  await using world = await JobWorld.open(60, { faults: { "truncated-stream": 0.1, "429": 0.05 } });
  const report = await world.run(world.spec({ llm: { stream: true }, run: { attempts: 12 } }));
  assert.deepEqual(report.rows, { accepted: 60, failed: 0, total: 60 });
  for (const [row, { generation }] of (await world.rows()).entries())
    assert.ok(String(generation).startsWith(answerOf(row)));
});

void test("JSONL and Arrow parts hold the same rows", async () => {
  await using world = await JobWorld.open(40);
  await world.run(world.spec({ output: { format: "jsonl" } }));
  const [jsonl = ""] = await readdir(path.join(world.output, "data"));
  const lines = (await readFile(path.join(world.output, "data", jsonl), "utf8")).trim().split("\n");
  const parsed = lines.map((line) => JSON.parse(line) as { question: string; tiding: { row_id: number } });
  assert.deepEqual(
    parsed.map(({ tiding }) => tiding.row_id),
    upTo(40),
  );
  await using arrow = await JobWorld.open(40);
  await arrow.run(arrow.spec({ output: { format: "arrow", metadata: false } }));
  const [part = ""] = await readdir(path.join(arrow.output, "data"));
  const table = tableFromIPC(await readFile(path.join(arrow.output, "data", part)));
  assert.deepEqual(
    table.schema.fields.map(({ name }) => name),
    ["question", "generation", "model_name"],
  );
  assert.deepEqual(
    [...(table.getChild("question") ?? [])],
    parsed.map(({ question }) => question),
  );
});

void test("the first rows all failing alike stop the job with none of them recorded", async () => {
  await using world = await JobWorld.open(200, { failPrompts: ["question"] });
  const stopped = await world.run(world.spec({ run: { stop_after_alike: 20 } }));
  assert.equal(stopped.outcome, "stopped");
  assert.equal(stopped.error?.code, "ROWS_FAIL_ALIKE");
  assert.equal(stopped.committed, 0);
  assert.ok(world.simulator.stats().requests < 60);
});

void test("fewer rows than that, all failing alike, are failed rows in the end", async () => {
  await using world = await JobWorld.open(9, { failPrompts: ["question"] });
  const report = await world.run(world.spec());
  assert.deepEqual(report.rows, { accepted: 0, failed: 9, total: 9 });
  assert.deepEqual(idsOf(await world.rows("failed")), upTo(9));
});
