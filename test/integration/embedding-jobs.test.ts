/** Whole jobs whose answers are embeddings. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { probeEndpoint } from "../../jobs/probe-endpoint.ts";
import { startEmbeddingServer, vectorOf } from "../support/embedding-server.ts";
import { idsOf, JobWorld, questionOf, upTo } from "../support/job-world.ts";
import { sendJson } from "../support/scripted-server.ts";

interface EmbeddingRow {
  readonly question: string;
  readonly embedding: readonly number[];
  readonly model_name: string;
  readonly tiding: { readonly row_id: bigint; readonly input_tokens: bigint; readonly attempts: number };
}

function embeddingSpec(world: JobWorld, llm: object, run: object = {}): object {
  const step = { task: "generate-embeddings", columns: { text: "question" }, llm: { slots: 8, ...llm } };
  return world.spec({ step, run });
}

/** Each row, in order, has the vector of its own text. */
async function assertEmbeddings(world: JobWorld, count: number): Promise<readonly EmbeddingRow[]> {
  const rows = await world.rows();
  assert.deepEqual(idsOf(rows), upTo(count));
  const embedded = rows as unknown as readonly EmbeddingRow[];
  for (const [row, { question, embedding }] of embedded.entries()) {
    assert.equal(question, questionOf(row));
    assert.deepEqual([...embedding], vectorOf(question));
  }
  return embedded;
}

for (const kind of ["tei", "openai", "container"] as const) {
  void test(`rows get the embeddings of their own texts (${kind})`, async () => {
    await using server = await startEmbeddingServer(kind);
    await using world = await JobWorld.open(100);
    const report = await world.run(embeddingSpec(world, { base_url: server.url, model_display_name: "embedder" }));
    assert.deepEqual(report.rows, { accepted: 100, failed: 0, total: 100 }, JSON.stringify(report.error));
    const rows = await assertEmbeddings(world, 100);
    assert.ok(rows.every(({ model_name }) => model_name === "embedder"));
    if (kind !== "container") assert.ok(rows.every(({ tiding }) => tiding.input_tokens === 2n));
  });
}

void test("trouble at the endpoint is waited out, and each row has one vector", async () => {
  await using server = await startEmbeddingServer("tei", (_request, response, posts) => {
    const turn = posts % 5;
    if (turn === 1) sendJson(response, { error: "Model is overloaded", error_type: "Overloaded" }, { status: 429 });
    if (turn === 2) sendJson(response, { error: "out of memory", error_type: "Backend" }, { status: 424 });
    if (turn === 3) response.socket?.destroy();
    return turn === 1 || turn === 2 || turn === 3;
  });
  await using world = await JobWorld.open(20);
  const report = await world.run(embeddingSpec(world, { base_url: server.url }, { attempts: 20 }));
  assert.deepEqual(report.rows, { accepted: 20, failed: 0, total: 20 }, JSON.stringify(report.error));
  const rows = await assertEmbeddings(world, 20);
  assert.ok(rows.some(({ tiding }) => tiding.attempts > 1));
});

void test("a row without a text, or with one too long, fails alone", async () => {
  await using server = await startEmbeddingServer("tei");
  await using world = await JobWorld.open(0);
  const texts = ["", "fine", "word ".repeat(300)];
  const lines = texts.map((question) => `${JSON.stringify({ question })}\n`);
  await writeFile(path.join(world.folder, "rows.jsonl"), lines.join(""));
  const report = await world.run(embeddingSpec(world, { base_url: server.url }));
  assert.deepEqual(report.rows, { accepted: 1, failed: 2, total: 3 });
  assert.deepEqual(report.failures.map(({ code }) => code).toSorted(), ["CONTEXT_TOO_LONG", "ROW_INVALID"]);
});

void test("an LLM of one's own makes embeddings; one that answers without stops the job", async () => {
  await using world = await JobWorld.open(3);
  const source = (embedding: string): string => `export default () => ({
    modelName: "mine",
    call: async ({ input }) => ({ text: "", ${embedding} reasoning: null, finishReason: "stop", inputTokens: 1, outputTokens: 0, model: "mine" }),
  });`;
  await writeFile(path.join(world.folder, "mine.mjs"), source("embedding: [input.length, 0.5],"));
  await writeFile(path.join(world.folder, "other.mjs"), source(""));
  await world.run(embeddingSpec(world, { class: "./mine.mjs" }));
  const rows = (await world.rows()) as unknown as readonly EmbeddingRow[];
  assert.deepEqual([...(rows[0]?.embedding ?? [])], [questionOf(0).length, 0.5]);
  const spec = { ...embeddingSpec(world, { class: "./other.mjs" }), output: { path: "other" } };
  const report = await world.run(spec);
  assert.equal(report.error?.code, "TASK_INVALID");
});

void test("a probe of Text Embeddings Inference says what it is, and gives no advice on lengths of answers", async () => {
  await using server = await startEmbeddingServer("tei");
  const probe = await probeEndpoint({ llm: { base_url: server.url }, environment: {} });
  assert.deepEqual([probe.server, probe.model, probe.serverVersion], ["tei", "some/embedder", "1.8.0"]);
  assert.deepEqual(
    probe.routes.map(({ path: route, takes }) => [route, takes]),
    [["/embed", "text"]],
  );
  assert.ok(!probe.advice.join().includes("max_new_tokens"));
  assert.match(probe.advice.join(), /`slots: 512`/);
});
