/**
 * vLLM 0.32 as it was captured (test/fixtures/vllm/): that Tiding sends today what was sent then, and reads what came; and
 * that the fakes of vLLM in other tests say nothing that the real one does not.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import type { ErrorCode, TidingError } from "../../../shared/errors.ts";
import type { Generation } from "../../../shared/task/task.ts";
import { classifyResponse } from "../../../worker/llms/classify-response.ts";
import { recogniseByModels, recogniseTgi } from "../../../worker/llms/recognise-server.ts";
import { COMPLETION_USAGE, completion, completionChunk } from "../../support/completions.ts";
import { answerText, captured, capturesOf, eventsOf, replaying, strayFields } from "../../support/exchanges.ts";
import type { Exchange } from "../../support/exchanges.ts";
import { openLLM } from "../../support/inference-llm.ts";
import type { OpenLLM } from "../../support/inference-llm.ts";
import { startScriptedServer } from "../../support/scripted-server.ts";
import type { ScriptedServer } from "../../support/scripted-server.ts";
import { vllm as listedVllm } from "../../support/server-captures.ts";
import { ANSWERED_CALLS, FIVE_STOPS, QUESTION, REFUSED_CALLS, REQUESTS, VLLM_NAMES } from "../../support/vllm-calls.ts";
import type { VllmCall } from "../../support/vllm-calls.ts";

const vllm = (name: string): Exchange => captured("vllm", name);
const [model] = VLLM_NAMES;

/** What a job's server is asked before any call. */
const asked = ["info", "models", "version"].map(vllm);

async function playBack(call: VllmCall): Promise<AsyncDisposable & { server: ScriptedServer; client: OpenLLM }> {
  const { generationKwargs: generation_kwargs, stream = false } = call;
  const server = await startScriptedServer(replaying([...asked, vllm(call.name)]));
  const client = openLLM({ base_url: server.url, model_id: model, generation_kwargs, stream });
  return {
    server,
    client,
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await server.close();
    },
  };
}

function answer(text: string, outputTokens: number, more: Partial<Generation> = {}): Generation {
  return { text, reasoning: null, finishReason: "stop", inputTokens: 10, outputTokens, model, ...more };
}
const overChat = { inputTokens: 37 };
const cut = { finishReason: "length" };

const answers: Readonly<Record<string, Generation>> = {
  chat: answer("The capital of France is Paris.", 8, overChat),
  "chat-length": answer("The capital of", 3, { ...overChat, ...cut }),
  "chat-stream": answer("The capital of France is Paris.", 8, overChat),
  "chat-json": answer('{\n"city": "Paris",\n"capital": \nfalse\n\n}', 21, overChat),
  "chat-regex": answer("BAD-1234", 8, overChat),
  completion: answer(" five, six,", 5),
  "completion-length": answer(" five, six", 3, cut),
  "completion-stream": answer(" five, six,", 5),
  "completion-json": answer('{\n        "city": "CITY",\n        "capital": \nfalse \n}', 28),
  "completion-regex": answer("DAD-1234", 8),
  // It answers with what room there is, and says nothing of the rest.
  "completion-nearly-full": answer("\n\ndef is", 4, { inputTokens: 1_020, ...cut }),
};
for (const call of ANSWERED_CALLS) {
  void test(`${call.name} is asked for as it was captured, and its answer read`, async () => {
    await using played = await playBack(call);
    const { structuredOutput = null, input } = call;
    assert.deepEqual(await played.client.call(input, { structuredOutput }), answers[call.name]);
    assert.deepEqual(played.server.requests.at(-1)?.body, vllm(call.name).request.body);
  });
}

const refusals: Readonly<Record<string, readonly [code: ErrorCode, message: RegExp]>> = {
  "chat-too-long": ["CONTEXT_TOO_LONG", /maximum context length is 1024 tokens/],
  "completion-too-long": ["CONTEXT_TOO_LONG", /maximum context length is 1024 tokens/],
  "completion-full": ["CONTEXT_TOO_LONG", /max_tokens must be at least 1, got 0/],
  "too-many-new-tokens": ["CONTEXT_TOO_LONG", /max_tokens=2000 cannot be greater than max_model_len=1024/],
  schema: ["REQUEST_REJECTED", /Invalid type: nonsense/],
  "schema-stream": ["REQUEST_REJECTED", /Invalid type: nonsense/],
  regex: ["REQUEST_REJECTED", /invalid regex/],
  "out-of-range": ["REQUEST_REJECTED", /min_p must be in \[0, 1\], got 2\.0/],
  "other-type": ["REQUEST_REJECTED", /body\.min_tokens: Input should be a valid integer/],
  image: ["REQUEST_REJECTED", /not a multimodal model/],
};
for (const call of REFUSED_CALLS) {
  void test(`the refusal of ${call.name} is what it is, in the server's words`, async () => {
    await using played = await playBack(call);
    const { structuredOutput = null, input } = call;
    const [code, message] = refusals[call.name] ?? [];
    await assert.rejects(played.client.call(input, { structuredOutput }), (error: TidingError) => {
      assert.equal(error.code, code);
      assert.match(error.message, message ?? /^$/);
      const { body, status } = vllm(call.name).response;
      assert.equal(error.details?.["status"], status === 200 ? 400 : status);
      if (typeof body !== "string") assert.deepEqual(JSON.parse(error.rawResponse ?? ""), body);
      return true;
    });
    assert.deepEqual(played.server.requests.at(-1)?.body, vllm(call.name).request.body);
  });
}

const requestErrors: readonly [name: string, code: ErrorCode, message: RegExp][] = [
  ["wrong-key", "UNAUTHORIZED", /refused the key \(401\)\.$/],
  ["no-key", "UNAUTHORIZED", /refused the key \(401\)\.$/],
  ["unknown-model", "MODEL_NOT_FOUND", /The model `another` does not exist/],
  ["no-messages", "REQUEST_REJECTED", /body\.messages: Field required/],
  ["missing-role", "REQUEST_REJECTED", /body\.messages\.0\.\w+\.role: Field required/],
  ["not-json", "REQUEST_REJECTED", /body\.1: JSON decode error/],
  ["five-stops", "REQUEST_REJECTED", /body\.stop: List should have at most 4 items/],
  ["info", "WRONG_SERVICE", /Not Found/],
];
for (const [name, code, message] of requestErrors) {
  void test(`${name} is ${code}`, () => {
    const exchange = vllm(name);
    const context = { endpoint: "http://h", model, input: QUESTION, secrets: [] };
    const error = classifyResponse(
      { status: exchange.response.status, headers: {}, text: answerText(exchange) },
      context,
    );
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /capital of France/);
  });
}

void test("its list names the model once for each of its names, and the answer is always by the first", () => {
  const list = vllm("models").response.body;
  for (const modelId of VLLM_NAMES) {
    const server = recogniseByModels(list, { endpoint: "http://h", modelId, generationKwargs: {} });
    assert.deepEqual(
      [server?.server, server?.model, server?.revision, server?.limits.maxTotalTokens],
      ["vllm", modelId, modelId === VLLM_NAMES[1] ? null : VLLM_NAMES[1], 1_024],
    );
  }
  const second = vllm("second-name");
  assert.deepEqual([(second.request.body as { model: string }).model, modelOf(second)], [VLLM_NAMES[1], VLLM_NAMES[0]]);
  assert.equal(
    recogniseTgi(vllm("info").response.body, { endpoint: "", modelId: undefined, generationKwargs: {} }),
    null,
  );
});

void test("without a model_id it is asked by the first of its names", () => {
  const list = vllm("models").response.body;
  const server = recogniseByModels(list, { endpoint: "http://h", modelId: undefined, generationKwargs: {} });
  assert.deepEqual(
    [server?.model, server?.requestModel, server?.revision],
    [VLLM_NAMES[0], VLLM_NAMES[0], VLLM_NAMES[1]],
  );
});

void test("more stop sequences than it takes are the spec's error before the first call, in one order that it refuses", async () => {
  await using server = await startScriptedServer(replaying([...asked, vllm("stops-alone")]));
  const generation_kwargs = { stop_sequences: FIVE_STOPS };
  await using client = openLLM({ base_url: server.url, model_id: model, generation_kwargs });
  await assert.rejects(client.llm.probe(client.endpoint, new AbortController().signal), {
    code: "SPEC_INVALID",
    message: /has 5 stop sequences; .* takes 4/,
    mend: /VLLM_MAX_STOP_STRINGS/,
  });
  const posts = server.requests.filter(({ method }) => method === "POST");
  assert.deepEqual(
    posts.map(({ path, body }) => [path, body]),
    [[vllm("stops-alone").request.path, vllm("stops-alone").request.body]],
  );
});

void test("it takes the fields of other versions beside its own, and keeps to its own", () => {
  const { choices } = vllm("both-fields").response.body as { choices: readonly { text: string }[] };
  assert.match(choices[0]?.text ?? "", /^[A-D]{3}-[0-9]{4}$/);
});

void test("the fakes of its routes say nothing that it does not say itself", async () => {
  await using listed = await startScriptedServer(listedVllm);
  const fakes = async (path: string): Promise<unknown> => (await fetch(listed.url + path)).json();
  const event = (text: string): unknown => JSON.parse(text.replace(/^data: /, ""));
  const chunks = eventsOf(vllm("completion-stream"));
  const pairs: readonly [what: string, fake: unknown, real: unknown][] = [
    ["list", await fakes("/v1/models"), vllm("models").response.body],
    ["version", await fakes("/version"), vllm("version").response.body],
    ["no route", await fakes("/info"), vllm("info").response.body],
    ["completion", completion("a bird"), vllm("completion").response.body],
    ["chunk", event(completionChunk("a")), chunks[0]],
    ["last chunk", event(completionChunk("a", "stop")), chunks.at(-2)],
    ["usage", event(COMPLETION_USAGE), chunks.at(-1)],
  ];
  for (const [what, fake, real] of pairs) assert.deepEqual(strayFields(fake, real), [], what);
});

void test("what a fake makes up is found", () => {
  const real = { a: [{ b: "x", c: null }], d: {} };
  assert.deepEqual(strayFields({ a: [{ b: "y", c: 1 }], d: {} }, real), []);
  assert.deepEqual(strayFields({ a: [{ b: 1 }, { e: 1 }], d: [], f: 1 }, real), [
    "$.a[0].b is number, of the real server string",
    "$.a[1].e is not the real server's",
    "$.d is list, of the real server object",
    "$.f is not the real server's",
  ]);
});

void test("every capture is of a call or a request, and each of them has one", () => {
  const names = [...ANSWERED_CALLS, ...REFUSED_CALLS, ...REQUESTS].map(({ name }) => `${name}.json`);
  const files = readdirSync(capturesOf("vllm")).filter((name) => name.endsWith(".json"));
  assert.deepEqual(files.toSorted(), names.toSorted());
  for (const { name, path, body } of REQUESTS) {
    const { request } = vllm(name);
    assert.deepEqual([request.path, request.body], [path, body]);
  }
});

function modelOf({ response: { body } }: Exchange): unknown {
  return (body as { readonly model?: unknown }).model;
}
