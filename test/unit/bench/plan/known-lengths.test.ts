import assert from "node:assert/strict";
import { test } from "node:test";
import { knownLengths, type AskedJob } from "../../../../bench/plan/known-lengths.ts";
import { seededRandom } from "../../../../bench/plan/seeded-random.ts";
import type { BenchReport } from "../../../../bench/report/bench-report.ts";
import { parseBatchOptions } from "../../../../bench/simulator/batching/batch-options.ts";
import { LLMSpec } from "../../../../shared/spec/job-spec.ts";
import { benchReport, closedStage } from "../../../support/virtual-bench.ts";

const SOURCE = "dataset rows.jsonl#0123abcd, column question: 1000 rows, drawn from the first 5000";

/** Answers of 40 to 119 tokens, 79.5 on average. */
function report(changes: Partial<BenchReport["prompts"]> = {}): BenchReport {
  const line = { baseMs: 10, sequenceMs: 0.1 };
  const options = parseBatchOptions({ stepTime: { graphs: line, eager: line }, kvTokens: 1_000_000 });
  const random = seededRandom(4);
  const calls = Array.from({ length: 600 }, () => ({
    promptTokens: 100,
    outputTokens: 40 + Math.floor(random() * 80),
    maxNewTokens: 512,
  }));
  const made = benchReport([closedStage(options, calls, { slots: 8 })]);
  return { ...made, prompts: { ...made.prompts, source: SOURCE, ...changes } };
}

function job(changes: Partial<AskedJob> = {}): AskedJob {
  return {
    llm: LLMSpec.parse({ base_url: "http://127.0.0.1:8080", generation_kwargs: { max_new_tokens: 512 } }),
    model: "simulated/magpie-1",
    files: [{ path: "/data/rows.jsonl", bytes: 1, modifiedMs: 0, sample: "0123abcdef" }],
    column: "question",
    inputTokens: Array.from({ length: 20 }, () => 96),
    outputTokens: Array.from({ length: 20 }, (_, index) => 45 + index * 4),
    ...changes,
  };
}

function whyNot(of: BenchReport, asked: AskedJob): string | null {
  const found = knownLengths(of, asked);
  assert.equal(found.lengths, null);
  return found.lengths === null ? found.why : null;
}

void test("a run with the job's own prompts, model and parameters tells how long answers are", () => {
  const found = knownLengths(report(), job());
  assert.ok(found.lengths !== null);
  const { lengths, standardError } = found.lengths;
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  assert.ok(Math.abs(mean - 79.5) < 2, String(mean));
  // √(80² / 12 / n).
  assert.ok(Math.abs(standardError / Math.sqrt(533 / found.answers) - 1) < 0.1, String(standardError));
  assert.ok(found.answers > 500);
});

void test("a run with other prompts tells nothing, and nothing is said about it", () => {
  assert.equal(whyNot(report({ source: "synthetic: 200 tokens" }), job()), null);
  assert.equal(whyNot(report(), job({ column: "answer" })), null);
  const others = [{ path: "/data/rows.jsonl", bytes: 1, modifiedMs: 0, sample: "ffff0000" }];
  assert.equal(whyNot(report(), job({ files: others })), null);
});

void test("a run with the job's prompts that asked otherwise is not taken, and why is said", () => {
  const kwargs = (generation: object) => LLMSpec.parse({ base_url: "http://h", generation_kwargs: generation });
  assert.match(whyNot(report({ ignore_eos: true }), job()) ?? "", /made to go on/);
  assert.match(whyNot(report({ max_tokens: 64 }), job()) ?? "", /max_tokens 64, and not 512/);
  assert.match(whyNot(report(), job({ model: "another" })) ?? "", /of the model simulated/);
  assert.match(whyNot(report(), job({ llm: kwargs({ max_new_tokens: 512, temperature: 0.2 }) })) ?? "", /parameters/);
  assert.match(whyNot(benchReport([], { prompts: report().prompts }), job()) ?? "", /no more than 0 answers/);
});

void test("a run that the sample contradicts is not taken: its prompts or its answers are not those of the job", () => {
  const longer = Array.from({ length: 20 }, (_, index) => 145 + index * 4);
  assert.match(
    whyNot(report(), job({ outputTokens: longer })) ?? "",
    /answers have \d+ tokens on average, the sample's 183/,
  );
  const system = Array.from({ length: 20 }, () => 300);
  assert.match(
    whyNot(report(), job({ inputTokens: system })) ?? "",
    /prompts have 100 tokens on average, the sample's 300/,
  );
  assert.ok(knownLengths(report(), job({ inputTokens: [86] })).lengths !== null, "a nonce is longer");
  assert.equal(knownLengths(report({ nonce: false }), job({ inputTokens: [86] })).lengths, null);
});
