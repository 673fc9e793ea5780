import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { startSimulator } from "../../bench/simulator/simulator.ts";
import { runJob } from "../../jobs/run-job.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";

void test("a row too large to travel fails alone, before it is paid for", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-large-"));
  await using simulator = await startSimulator();
  const rows = [
    { question: "a", text: "x" },
    { question: "b", text: "y".repeat(7_000_000) },
    { question: "c", text: "z".repeat(5_000_000) },
    { question: "d", text: "x" },
  ];
  await writeFile(path.join(folder, "rows.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  const spec = {
    input: { path: "rows.jsonl" },
    steps: [{ task: "text-generation", columns: { instruction: "question" }, llm: { base_url: simulator.url } }],
    output: { path: "out" },
  };
  const report = await runJob({ loaded: specFromObject(spec, { folder, environment: {} }), environment: {} });
  assert.deepEqual(report.rows, { accepted: 3, failed: 1, total: 4 });
  assert.match(report.failures[0]?.example ?? "", /7000\d{3} bytes/);
  assert.equal(simulator.stats().requests, 3);
  await rm(folder, { recursive: true });
});
