import assert from "node:assert/strict";
import { test } from "node:test";
import { LLMSpec } from "../../../../../shared/spec/job-spec.ts";
import type { Generation } from "../../../../../shared/task/task.ts";
import { EmbeddingEndpointsLLM } from "../../../../../worker/llms/embeddings/embedding-endpoints-llm.ts";
import { InferenceEndpointsLLM } from "../../../../../worker/llms/inference-endpoints-llm.ts";
import type { LLMCall } from "../../../../../worker/llms/llm.ts";
import { startEmbeddingServer, vectorOf } from "../../../../support/embedding-server.ts";
import { TGI_INFO, sendJson, startScriptedServer, tgi } from "../../../../support/scripted-server.ts";
import type { ScriptedServer } from "../../../../support/scripted-server.ts";

const context = { secret: () => "key-canary", environment: {} };

interface Asked {
  readonly answer: Generation;
  /** What was posted last. */
  readonly posted: ScriptedServer["requests"][number];
}

async function ask(
  server: ScriptedServer,
  { llm = {}, route = "", call = {} }: { llm?: object; route?: string; call?: Partial<LLMCall> } = {},
): Promise<Asked> {
  const spec = LLMSpec.parse({ base_url: server.url + route, ...llm });
  const client = new EmbeddingEndpointsLLM(spec, context);
  try {
    const answer = await client.call({
      input: "a text of mine",
      endpoint: client.endpoints[0] ?? "",
      generationKwargs: spec.generation_kwargs,
      structuredOutput: null,
      preQuery: false,
      seed: 11,
      signal: new AbortController().signal,
      ...call,
    });
    const posted = server.requests.at(-1);
    assert.ok(posted !== undefined);
    return { answer, posted };
  } finally {
    await client.close();
  }
}

void test("TEI is asked for one text by /embed, without a seed, and counts its tokens in a header", async () => {
  await using server = await startEmbeddingServer("tei");
  const { answer, posted } = await ask(server, { llm: { generation_kwargs: { normalize: false, truncate: null } } });
  assert.deepEqual([posted.path, posted.body], ["/embed", { normalize: false, inputs: "a text of mine" }]);
  assert.deepEqual(answer.embedding, vectorOf("a text of mine"));
  assert.deepEqual([answer.inputTokens, answer.outputTokens, answer.text], [4, 0, ""]);
  assert.equal(answer.model, "some/embedder");
});

void test("any other server is asked by /v1/embeddings with its model, however the base URL is written", async () => {
  await using server = await startEmbeddingServer("openai");
  for (const route of ["", "/v1", "/v1/embeddings"]) {
    const { answer, posted } = await ask(server, { route, llm: { generation_kwargs: { dimensions: 16 } } });
    const body = { model: "served", dimensions: 16, input: "a text of mine" };
    assert.deepEqual([posted.path, posted.body], ["/v1/embeddings", body]);
    assert.deepEqual([answer.embedding, answer.inputTokens], [vectorOf("a text of mine"), 4]);
  }
});

void test("a container that says nothing of itself takes the text at its base URL", async () => {
  await using server = await startEmbeddingServer("container");
  const { answer, posted } = await ask(server, { llm: { model_id: "my/model" } });
  assert.deepEqual([posted.path, posted.body], ["/", { inputs: "a text of mine" }]);
  assert.deepEqual(
    [answer.embedding, answer.model, answer.inputTokens],
    [vectorOf("a text of mine"), "my/model", null],
  );
});

for (const [what, body] of [
  ["a vector for each token", [[[0.5, 1]], [[1, 2]]]],
  ["two vectors", [[1], [2]]],
  ["an empty vector", [[]]],
  ["a null among the numbers", [[1, null]]],
  ["base64 in place of numbers", { data: [{ embedding: "AACAPw==" }] }],
  ["a chat answer", { choices: [] }],
] as const) {
  void test(`${what} is no embedding`, async () => {
    await using server = await startEmbeddingServer("tei", (_request, response) => {
      sendJson(response, body);
      return true;
    });
    await assert.rejects(ask(server), { code: "RESPONSE_INVALID", message: /without one vector of numbers/ });
  });
}

void test("an error inside an answer is the server's, and one of length is the row's", async () => {
  await using broken = await startEmbeddingServer("openai", (_request, response) => {
    sendJson(response, { error: { message: "out of memory", code: 500 } });
    return true;
  });
  await assert.rejects(ask(broken), { code: "ENDPOINT_ERROR" });
  await using server = await startEmbeddingServer("tei");
  await assert.rejects(ask(server, { call: { input: "word ".repeat(300) } }), { code: "CONTEXT_TOO_LONG" });
});

void test("a conversation, a form and a message of the user are refused unsent", async () => {
  await using server = await startEmbeddingServer("tei");
  const form = { format: "regex", schema: "a" } as const;
  for (const call of [{ input: [] }, { structuredOutput: form }, { preQuery: true }]) {
    await assert.rejects(ask(server, { call }), { code: "TASK_INVALID", isUnsent: true });
  }
  assert.ok(server.requests.every(({ method }) => method === "GET"));
});

void test("TGI is refused for embeddings, and TEI for texts", async () => {
  await using texts = await startScriptedServer(tgi(() => assert.fail("nothing is posted"), TGI_INFO));
  await assert.rejects(ask(texts), { code: "SPEC_INVALID", message: /TGI, which makes no embeddings/ });
  await using server = await startEmbeddingServer("tei");
  const llm = new InferenceEndpointsLLM(LLMSpec.parse({ base_url: server.url }), context);
  await assert.rejects(llm.probe(llm.endpoints[0] ?? "", new AbortController().signal), {
    code: "SPEC_INVALID",
    message: /writes no texts/,
  });
  await llm.close();
});

void test("parameters that the engine sets, and an endpoint named twice, are refused", () => {
  const make = (llm: object) => new EmbeddingEndpointsLLM(LLMSpec.parse(llm), context);
  for (const name of ["inputs", "input", "model", "encoding_format"]) {
    assert.throws(() => make({ base_url: "http://h", generation_kwargs: { [name]: "x" } }), {
      code: "SPEC_INVALID",
      place: `generation_kwargs.${name}`,
    });
  }
  assert.throws(() => make({ base_url: ["http://h", "http://h/embed"] }), { code: "SPEC_INVALID", message: /twice/ });
});
