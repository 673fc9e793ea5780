/** What becomes of rows whose batches expire, fail, are cancelled or hold requests that fail; and rounds of further requests. */
import assert from "node:assert/strict";
import { cp, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { jobStatus } from "../../jobs/job-status.ts";
import { retryJob } from "../../jobs/retry-job.ts";
import type { JobReport } from "../../shared/observe/job-report.ts";
import { BATCH_MODEL, derivedAnswer, type BatchServer } from "../support/batch-server.ts";
import { haveOwnAnswers, openBatchWorld, sizesOf } from "../support/batch-world.ts";
import { tokenizerFolder } from "../support/chat-templates.ts";
import { questionOf } from "../support/job-world.ts";

/** How often each request went into a batch, beyond the first time. */
function paidTwice({ batches }: BatchServer): readonly string[] {
  const ids = batches.flatMap(({ lines }) => lines.map(({ custom_id }) => custom_id));
  return ids.filter((id, index) => ids.indexOf(id) < index);
}

void test("an expired batch keeps its finished rows, and what expired is submitted again", async () => {
  await using it = await openBatchWorld(20);
  it.server.statuses = ["in_progress", "expired"];
  it.server.outcome = (line, { id }) =>
    id === "batch_1" && it.server.batches[0]!.lines.indexOf(line) % 4 === 0 ? "expired" : derivedAnswer(line);
  const { report } = await it.toItsEnd(it.spec());
  assert.deepEqual(report.rows, { accepted: 20, failed: 0, total: 20 });
  assert.deepEqual(sizesOf(it.server), [20, 5]);
  assert.ok(haveOwnAnswers(await it.world.rows()));
  assert.equal(paidTwice(it.server).length, 5, "those that were never run");
});

void test("a request that the server refuses makes a failed row with its reason, and a retry asks anew", async () => {
  await using it = await openBatchWorld(10);
  const refusal = { status: 400, body: { error: { message: "Unsupported value", type: "invalid_request_error" } } };
  it.server.outcome = (line) =>
    JSON.stringify(line.body.messages).includes(questionOf(3)) ? refusal : derivedAnswer(line);
  const { outcomes, report } = await it.toItsEnd(it.spec());
  assert.equal(outcomes.at(-1), "finished-with-failed-rows");
  assert.deepEqual(report.rows, { accepted: 9, failed: 1, total: 10 });
  assert.deepEqual(
    report.failures.map(({ code }) => code),
    ["REQUEST_REJECTED"],
  );
  assert.match(report.failures[0]?.example ?? "", /Unsupported value/);
  it.server.outcome = derivedAnswer;
  const retried = async (): Promise<JobReport> => retryJob({ output: it.world.output, overrides: [], environment: {} });
  let last = await retried();
  for (let tries = 0; last.outcome === "parked" && tries < 10; tries++) last = await retried();
  assert.deepEqual([last.outcome, last.rows.accepted], ["finished", 10]);
  assert.deepEqual(sizesOf(it.server), [10, 1]);
  assert.ok(haveOwnAnswers(await it.world.rows()));
});

void test("a request that fails in passing is asked in run.attempts batches, and then fails its row", async () => {
  await using it = await openBatchWorld(6);
  const failing = { status: 500, body: { error: { message: "server error", type: "server_error" } } };
  it.server.outcome = (line, { id }) => {
    const text = JSON.stringify(line.body.messages);
    if (text.includes(questionOf(1))) return failing;
    return text.includes(questionOf(2)) && id === "batch_1" ? failing : derivedAnswer(line);
  };
  const { report } = await it.toItsEnd(it.spec({ run: { attempts: 3 } }));
  assert.deepEqual(report.rows, { accepted: 5, failed: 1, total: 6 });
  assert.deepEqual(
    report.failures.map(({ code }) => code),
    ["BATCH_REQUEST_FAILED"],
  );
  assert.deepEqual(sizesOf(it.server), [6, 2, 1]);
});

void test("a key that the batch's requests were refused with stops the job, and the next run submits them again", async () => {
  await using it = await openBatchWorld(4);
  it.server.outcome = (line, { id }) =>
    id === "batch_1" ? { status: 401, body: { error: { message: "bad key" } } } : derivedAnswer(line);
  const { report } = await it.toItsEnd(it.spec());
  assert.deepEqual([report.outcome, report.error?.code], ["stopped", "UNAUTHORIZED"]);
  const { report: last } = await it.toItsEnd(it.spec());
  assert.deepEqual([last.outcome, last.rows.accepted], ["finished", 4]);
});

void test("a batch that fails as a whole stops the job with the server's words, and is submitted anew", async () => {
  await using it = await openBatchWorld(4);
  it.server.statuses = ["validating", "failed"];
  const { report } = await it.toItsEnd(it.spec());
  assert.deepEqual([report.outcome, report.error?.code], ["stopped", "BATCH_FAILED"]);
  assert.match(report.error?.message ?? "", /^Batch 1 of 4 requests failed: the server does not say why\.$/);
  assert.equal((await jobStatus(it.world.output)).state, "stopped");
  it.server.statuses = ["completed"];
  const { report: last } = await it.toItsEnd(it.spec());
  assert.deepEqual([last.outcome, last.rows.accepted], ["finished", 4]);
});

void test("a batch that was cancelled at the server keeps what it answered", async () => {
  await using it = await openBatchWorld(6);
  it.server.statuses = ["cancelling", "cancelled"];
  it.server.outcome = (line, batch) => (batch.lines.indexOf(line) < 4 ? derivedAnswer(line) : "expired");
  const { report } = await it.toItsEnd(it.spec());
  assert.equal(report.error?.code, "BATCH_FAILED");
  assert.match(report.error?.message ?? "", /cancelled/);
  it.server.statuses = ["completed"];
  const { report: last } = await it.toItsEnd(it.spec());
  assert.equal(last.rows.accepted, 6);
  assert.deepEqual(sizesOf(it.server), [6, 2]);
});

void test("a batch that the server has forgotten is submitted anew by the next run", async () => {
  await using it = await openBatchWorld(3);
  await it.world.run(it.spec());
  it.server.forget("batch_1");
  const { report } = await it.toItsEnd(it.spec());
  assert.equal(report.error?.code, "BATCH_FAILED");
  const { report: last } = await it.toItsEnd(it.spec());
  assert.equal(last.rows.accepted, 3);
});

void test("when the answer to a creation is lost, the batch is found and not made again", async () => {
  await using it = await openBatchWorld(8);
  let lost = 0;
  it.server.intercept = (asked, response) => {
    // The batch is made a moment later, when the connection is gone.
    if (asked !== "POST /v1/batches" || lost > 0) return false;
    lost += 1;
    response.socket?.destroy();
    return false;
  };
  const { report } = await it.toItsEnd(it.spec());
  assert.deepEqual([report.outcome, report.rows.accepted, lost], ["finished", 8, 1]);
  assert.equal(it.server.batches.length, 1);
});

void test("a server without files and batches is named, and nothing is sent to it one by one", async () => {
  await using it = await openBatchWorld(3);
  it.server.intercept = (asked, response) => {
    if (!asked.includes("/v1/files")) return false;
    response.writeHead(404).end("not found");
    return true;
  };
  const report = await it.world.run(it.spec());
  assert.deepEqual([report.outcome, report.error?.code], ["stopped", "WRONG_SERVICE"]);
  assert.match(report.error?.message ?? "", /OpenAI files and batches/);
  assert.equal(it.server.directCalls, 0);
});

void test("structured answers that do not fit are asked again in a further batch", async () => {
  await using it = await openBatchWorld(6);
  const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
  it.server.outcome = (line, { id }) => {
    const content = id === "batch_1" && it.server.batches[0]!.lines.indexOf(line) < 2 ? "no JSON" : '{"n": 5}';
    const choices = [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }];
    return { status: 200, body: { model: BATCH_MODEL, choices } };
  };
  const { report } = await it.toItsEnd(it.spec({ llm: { structured_output: { format: "json", schema } } }));
  assert.deepEqual(report.rows, { accepted: 6, failed: 0, total: 6 });
  assert.deepEqual(sizesOf(it.server), [6, 2]);
  assert.ok(it.server.batches[0]!.lines.every(({ body }) => body.response_format !== undefined));
});

void test("Magpie's turns take a batch each, over completions", async () => {
  await using it = await openBatchWorld(0);
  await using tokenizer = await tokenizerFolder("qwen3", "qwen3", { inConfig: false });
  await cp(tokenizer.folder, path.join(it.world.folder, "tokenizer"), { recursive: true });
  const llm = { ...it.llm, tokenizer_id: "./tokenizer" };
  const step = { task: "magpie-generator", num_rows: 5, n_turns: 2, llm };
  const { input: _, ...spec } = it.spec({ steps: [step] }) as { input: unknown };
  const { report } = await it.toItsEnd(spec);
  assert.deepEqual(report.rows, { accepted: 5, failed: 0, total: 5 });
  assert.deepEqual(
    it.server.batches.map(({ lines, endpoint }) => [lines.length, endpoint]),
    [
      [5, "/v1/completions"],
      [5, "/v1/completions"],
      [5, "/v1/completions"],
      [5, "/v1/completions"],
    ],
  );
});

void test("a task that asks for something else each time is stopped before it pays for its rows for ever", async () => {
  await using it = await openBatchWorld(3);
  await writeFile(
    path.join(it.world.folder, "dice.ts"),
    `export default {
      inputs: ["question"], outputs: ["answer"],
      run: async ({ llm }) => ({ answer: (await llm.generate([{ role: "user", content: String(Math.random()) }])).text }),
    };`,
  );
  const { llm } = it;
  const { report } = await it.toItsEnd(it.spec({ steps: [{ task: "./dice.ts", llm }] }));
  assert.deepEqual([report.outcome, report.error?.code, it.server.batches.length], ["stopped", "TASK_INVALID", 1]);
});
