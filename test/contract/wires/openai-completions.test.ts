/** What goes to `/v1/completions` of each server, and what comes back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorCode } from "../../../shared/errors.ts";
import type { Generation } from "../../../shared/task/task.ts";
import { COMPLETION_USAGE, completion, completionChunk } from "../../support/completions.ts";
import { bracketRenderer, event, listing, openLLM, sendEvents, unlisted } from "../../support/inference-llm.ts";
import { sendJson, startScriptedServer } from "../../support/scripted-server.ts";
import type { Script } from "../../support/scripted-server.ts";

const PROMPT = "<s>Tell of the magpie and its seven nests.";
const answers = (owner: string, body: unknown, status = 200): Script =>
  listing(owner, (_request, response) => sendJson(response, body, { status }));
const DONE = "data: [DONE]\n\n";
const whole: Generation = {
  text: "a bird",
  reasoning: null,
  finishReason: "stop",
  inputTokens: 7,
  outputTokens: 3,
  model: "served",
};

for (const [owner, own] of [
  ["vllm", { add_special_tokens: false }],
  ["sglang", {}],
  ["llamacpp", {}],
  ["someone", {}],
] as const) {
  void test(`a prompt for ${owner} is one POST to /v1/completions, streamed or not`, async () => {
    await using server = await startScriptedServer(answers(owner, completion("a bird")));
    const generation_kwargs = { max_new_tokens: 9, temperature: 0.7, top_p: 1, stop_sequences: ["END"] };
    const spec = { base_url: server.url, api_key: "${KEY}", generation_kwargs };
    await using plain = openLLM(spec);
    assert.deepEqual(await plain.call(PROMPT), whole);
    const fields = { model: "served", max_tokens: 9, temperature: 0.7, top_p: 1, stop: ["END"], seed: 11, ...own };
    const post = server.requests.at(-1);
    assert.deepEqual([post?.method, post?.path], ["POST", "/v1/completions"]);
    assert.equal(post?.headers["content-type"], "application/json");
    assert.equal(post?.headers.authorization, "Bearer key-canary");
    assert.deepEqual(post?.body, { ...fields, prompt: PROMPT });

    server.script = listing(owner, (_request, response) =>
      sendEvents(response, [
        completionChunk("a"),
        completionChunk(" bird"),
        completionChunk("", "stop"),
        COMPLETION_USAGE,
        DONE,
      ]),
    );
    await using streamed = openLLM({ ...spec, stream: true });
    assert.deepEqual(await streamed.call(PROMPT), whole);
    const streaming = { stream: true, stream_options: { include_usage: true } };
    assert.deepEqual(server.requests.at(-1)?.body, { ...fields, ...streaming, prompt: PROMPT });
  });
}

void test("vLLM is asked for its version, which decides how structured output is sent", async () => {
  const schema = { type: "object", properties: { name: { type: "string" } } };
  const structure = async (version: Script): Promise<unknown> => {
    const other = answers("vllm", completion("{}"));
    await using server = await startScriptedServer((request, response) =>
      (request.path === "/version" ? version : other)(request, response),
    );
    await using client = openLLM({ base_url: server.url });
    await client.call(PROMPT, { structuredOutput: { format: "json", schema } });
    const { guided_json, structured_outputs } = server.requests.at(-1)?.body ?? {};
    return { guided_json, structured_outputs };
  };
  const old = { guided_json: schema, structured_outputs: undefined };
  const present = { guided_json: undefined, structured_outputs: { json: schema } };
  assert.deepEqual(await structure((_request, response) => sendJson(response, { version: "0.11.2" })), old);
  assert.deepEqual(await structure((_request, response) => sendJson(response, { version: "0.12.0" })), present);
  for (const status of [404, 429, 503]) {
    const told = await structure((_request, response) => void response.writeHead(status).end());
    assert.deepEqual(told, { guided_json: schema, structured_outputs: { json: schema } }, `${status}`);
  }
});

void test("a server of which nothing is known takes completions where its address names the OpenAI API", async () => {
  await using server = await startScriptedServer(
    unlisted((_request, response) => sendJson(response, completion("a bird"))),
  );
  for (const base of ["/v1", "/v3/openai", "/v1/completions"]) {
    await using client = openLLM({ base_url: server.url + base, model_id: "named" });
    await client.call(PROMPT);
    assert.equal(server.requests.at(-1)?.path, `${base.replace("/completions", "")}/completions`);
    assert.equal(server.requests.at(-1)?.body.model, "named");
  }
});

const errors: readonly [what: string, status: number, body: unknown, code: ErrorCode][] = [
  [
    "vLLM's context overflow",
    400,
    { error: { message: "This model's maximum context length is 10 tokens.", type: "BadRequestError", code: 400 } },
    "CONTEXT_TOO_LONG",
  ],
  [
    "vLLM's unknown model",
    404,
    { error: { message: "The model `x` does not exist.", type: "NotFoundError", code: 404 } },
    "MODEL_NOT_FOUND",
  ],
  [
    "vLLM's dead engine",
    500,
    {
      error: {
        message: "EngineCore encountered an issue. See stack trace (above) for the root cause.",
        type: "InternalServerError",
        param: null,
        code: 500,
      },
    },
    "ENDPOINT_ERROR",
  ],
  [
    "SGLang's context overflow",
    400,
    { object: "error", message: "The input (12 tokens) is longer than the model's context length (10)", code: 400 },
    "CONTEXT_TOO_LONG",
  ],
  ["SGLang's full queue", 503, { error: { message: "The request queue is full.", code: 503 } }, "ENDPOINT_SATURATED"],
  ["SGLang's empty prompt", 400, { object: "error", message: "Prompt cannot be empty", code: 400 }, "REQUEST_REJECTED"],
  ["llama.cpp's loading", 503, { error: { code: 503, message: "Loading model" } }, "ENDPOINT_LOADING"],
  ["FastAPI's refusal", 422, { detail: [{ loc: ["body", "seed"], msg: "x", type: "int" }] }, "REQUEST_REJECTED"],
  ["a gateway's limit", 429, { error: { message: "Rate limit reached", type: "requests" } }, "ENDPOINT_SATURATED"],
  ["a gateway's empty purse", 429, { error: { code: "insufficient_quota", message: "x" } }, "QUOTA_EXHAUSTED"],
  ["a wrong key", 401, { error: { message: "Unauthorized" } }, "UNAUTHORIZED"],
  ["an error inside a 200", 200, { object: "error", message: "queue is full", code: 503 }, "ENDPOINT_SATURATED"],
  ["no choices", 200, { choices: [] }, "RESPONSE_INVALID"],
  ["a chat answer", 200, { choices: [{ message: { content: "x" } }] }, "RESPONSE_INVALID"],
  ["no object", 200, null, "RESPONSE_INVALID"],
  ["an aborted answer", 200, completion("ha", { finish_reason: "abort" }), "ENDPOINT_ERROR"],
  ["a filtered answer", 200, completion("", { finish_reason: "content_filter" }), "CONTENT_FILTERED"],
];
for (const [what, status, body, code] of errors) {
  void test(`${what} is ${code}`, async () => {
    await using server = await startScriptedServer(answers("vllm", body, status));
    await using client = openLLM({ base_url: server.url });
    await assert.rejects(client.call(PROMPT), { code });
  });
}

const brokenStreams: readonly [what: string, events: readonly string[], code: ErrorCode][] = [
  ["no end", [completionChunk("half")], "STREAM_TRUNCATED"],
  ["nothing", [], "STREAM_TRUNCATED"],
  ["an end without an answer", [DONE], "RESPONSE_INVALID"],
  ["half an event", [`data: {"cho\n\n`], "RESPONSE_INVALID"],
  ["an abort at its end", [completionChunk("a", "abort"), DONE], "ENDPOINT_ERROR"],
  [
    "an error event",
    [completionChunk("a"), event({ error: { message: "queue is full", code: 503 } })],
    "ENDPOINT_SATURATED",
  ],
];
for (const [what, events, code] of brokenStreams) {
  void test(`a stream with ${what} is ${code}`, async () => {
    await using server = await startScriptedServer(
      listing("vllm", (_request, response) => sendEvents(response, events)),
    );
    await using client = openLLM({ base_url: server.url, stream: true });
    await assert.rejects(client.call(PROMPT), { code });
  });
}

void test("a server with a chat route alone is WRONG_SERVICE, by the name of the route that is missing", async () => {
  await using server = await startScriptedServer(
    listing("someone", (_request, response) => void response.writeHead(404).end()),
  );
  await using client = openLLM({ base_url: server.url });
  await assert.rejects(client.call(PROMPT), { code: "WRONG_SERVICE", message: /no OpenAI completions route/ });
});

void test("a missing max_new_tokens is advised on: the API's default is 16", async () => {
  await using server = await startScriptedServer(answers("vllm", completion("x")));
  await using unset = openLLM({ base_url: server.url }, bracketRenderer);
  await using set = openLLM({ base_url: server.url, generation_kwargs: { max_new_tokens: 5 } }, bracketRenderer);
  const { signal } = new AbortController();
  assert.match((await unset.llm.probe(unset.endpoint, signal)).advice?.join() ?? "", /16 tokens/);
  assert.equal((await set.llm.probe(set.endpoint, signal)).advice, undefined);
});
