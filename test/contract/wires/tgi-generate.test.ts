/** What goes to TGI's native routes and what comes back, with every error that its router (v3.3) sends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { startSimulator } from "../../../bench/simulator/simulator.ts";
import { readGenerateCall } from "../../../bench/simulator/generation-call.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import type { Generation } from "../../../shared/task/task.ts";
import { endpointAddress } from "../../../worker/llms/endpoint-address.ts";
import { unknownServer } from "../../../worker/llms/recognise-server.ts";
import { tgiGenerate } from "../../../worker/llms/wires/tgi-generate.ts";
import { bracketRenderer, event, openLLM, sendEvents } from "../../support/inference-llm.ts";
import { sendJson, startScriptedServer, tgi, TGI_INFO } from "../../support/scripted-server.ts";
import type { Script } from "../../support/scripted-server.ts";
import { assertFits } from "../../unit/bench/simulator/tgi-schemas.ts";

const PROMPT = "<s>Tell of the magpie and its seven nests.";
const answers = (body: unknown, headers: Record<string, string> = {}): Script =>
  tgi((_request, response) => sendJson(response, body, { headers }));
const streams = (...events: readonly string[]): Script => tgi((_request, response) => sendEvents(response, events));
const token = (text: string, more: Record<string, unknown> = {}): string =>
  event({
    index: 1,
    token: { id: 5, text, logprob: -0.1, special: false },
    generated_text: null,
    details: null,
    ...more,
  });
const details = { finish_reason: "eos_token", generated_tokens: 3, seed: 11, input_length: 7 };
const last = (generated_text: string, more: unknown = details): string =>
  event({
    index: 3,
    token: { id: 2, text: "</s>", logprob: -0.1, special: true },
    generated_text,
    details: more,
  });

void test("a prompt is one POST to /generate that fits TGI's schema", async () => {
  await using server = await startScriptedServer(answers({ generated_text: "a bird" }));
  await using client = openLLM({
    base_url: `${server.url}/v1`,
    api_key: "${KEY}",
    generation_kwargs: { max_new_tokens: 9, temperature: 0.7, top_p: 1, top_k: 5, stop_sequences: "END" },
  });
  await client.call(PROMPT);
  const posts = server.requests.filter(({ method }) => method === "POST");
  assert.equal(posts.length, 1);
  const [post] = posts;
  assert.equal(post?.path, "/generate");
  assert.equal(post?.headers["content-type"], "application/json");
  assert.equal(post?.headers.authorization, "Bearer key-canary");
  assert.deepEqual(assertFits("text-generation/input", post?.body), {
    inputs: PROMPT,
    parameters: {
      max_new_tokens: 9,
      temperature: 0.7,
      top_k: 5,
      do_sample: true,
      stop: ["END"],
      return_full_text: false,
      seed: 11,
    },
  });
});

void test("a streamed prompt goes to /generate_stream and asks for the details of its end", async () => {
  await using server = await startScriptedServer(streams(token("a"), token(" bird"), last("a bird")));
  await using client = openLLM({ base_url: server.url, stream: true, generation_kwargs: { max_new_tokens: 9 } });
  const generation = await client.call(PROMPT);
  const post = server.requests.find(({ method }) => method === "POST");
  assert.equal(post?.path, "/generate_stream");
  assert.equal(assertFits("text-generation/input", post?.body).parameters.details, true);
  assert.deepEqual(generation, {
    text: "a bird",
    reasoning: null,
    finishReason: "stop",
    inputTokens: 7,
    outputTokens: 3,
    model: "some/model",
  } satisfies Generation);
});

void test("whatever the parameters, TGI accepts them", () => {
  const server = { ...unknownServer(undefined), requestModel: "tgi" };
  const wire = tgiGenerate(server, endpointAddress("http://h"));
  const maybe = <T>(...values: readonly T[]) => fc.option(fc.constantFrom(...values), { nil: undefined });
  const kwargs = fc.record({
    temperature: maybe(0, 0.1, 1, 2),
    top_p: maybe(0.5, 1),
    typical_p: maybe(0.5, 1),
    top_k: maybe(1, 50),
    do_sample: maybe(true, false),
    max_new_tokens: maybe(1, 1_024, 1_025),
    repetition_penalty: maybe(1, 1.2),
    frequency_penalty: maybe(0, 2),
    stop_sequences: maybe<unknown>("a", [], ["a", "b", "c", "d"]),
  });
  const limits = { maxInputTokens: 4_096, maxTotalTokens: 8_192 };
  fc.assert(
    fc.property(kwargs, fc.boolean(), fc.nat(2 ** 53 - 2), (generationKwargs, stream, seed) => {
      const head = wire.head({ generationKwargs, structuredOutput: null, stream });
      const body: unknown = JSON.parse(wire.body(head, PROMPT, seed + 1));
      const { parameters } = assertFits("text-generation/input", body as { parameters: Record<string, unknown> });
      const read = readGenerateCall(body, "generate", { stream, limits });
      assert.deepEqual([read.invalid, read.seed, read.prompt], [null, seed + 1, PROMPT]);
      const samples = ["temperature", "top_k", "top_p", "typical_p"].some((name) => parameters[name] !== undefined);
      const isGreedy = generationKwargs.temperature === 0 || generationKwargs.do_sample === false;
      assert.equal(parameters["do_sample"] === true || samples, !isGreedy);
    }),
  );
});

void test("structured output travels as a grammar", async () => {
  await using server = await startScriptedServer(answers({ generated_text: "{}" }));
  await using client = openLLM({ base_url: server.url, generation_kwargs: { max_new_tokens: 9 } });
  const schema = { type: "object", properties: { name: { type: "string" } } };
  await client.call(PROMPT, { structuredOutput: { format: "json", schema } });
  await client.call(PROMPT, { structuredOutput: { format: "regex", schema: "[ab]+" } });
  const grammars = server.requests
    .filter(({ method }) => method === "POST")
    .map(({ body }) => assertFits("text-generation/input", body).parameters.grammar as unknown);
  assert.deepEqual(grammars, [
    { type: "json", value: schema },
    { type: "regex", value: "[ab]+" },
  ]);
});

void test("an adapter is asked for by its name", async () => {
  await using server = await startScriptedServer(answers({ generated_text: "x" }));
  await using client = openLLM({ base_url: server.url, model_id: "my/adapter" });
  await client.call(PROMPT);
  assert.equal(server.requests.at(-1)?.body.parameters.adapter_id, "my/adapter");
});

void test("counts come from the headers, and the finish reason from the count", async () => {
  await using server = await startScriptedServer(answers({}));
  await using client = openLLM({ base_url: server.url, generation_kwargs: { max_new_tokens: 5 } });
  const withTokens = async (tokens: string | null) => {
    const headers: Record<string, string> =
      tokens === null ? {} : { "x-prompt-tokens": "7", "x-generated-tokens": tokens };
    server.script = answers({ generated_text: "x" }, headers);
    const { finishReason, inputTokens, outputTokens } = await client.call(PROMPT);
    return [finishReason, inputTokens, outputTokens];
  };
  assert.deepEqual(await withTokens("4"), ["stop", 7, 4]);
  assert.deepEqual(await withTokens("5"), ["length", 7, 5]);
  assert.deepEqual(await withTokens("many"), [null, 7, null]);
  assert.deepEqual(await withTokens(null), [null, null, null]);
  server.script = answers({ generated_text: "x" }, { "X-Prompt-Tokens": "9", "X-Generated-Tokens": "3" });
  const { inputTokens, outputTokens } = await client.call(PROMPT);
  assert.deepEqual([inputTokens, outputTokens], [9, 3], "names of headers in any letters");
  assert.equal(server.requests.at(-1)?.body.parameters.details, undefined);
});

void test("details are asked for where the count does not tell the finish reason", async () => {
  const whole = { finish_reason: "stop_sequence", generated_tokens: 3, seed: 1, prefill: [], tokens: [] };
  await using server = await startScriptedServer(
    answers({ generated_text: "x", details: whole }, { "x-prompt-tokens": "7" }),
  );
  for (const generation_kwargs of [{}, { max_new_tokens: 1_025 }]) {
    await using client = openLLM({ base_url: server.url, generation_kwargs });
    const { finishReason, inputTokens, outputTokens } = await client.call(PROMPT);
    assert.deepEqual([finishReason, inputTokens, outputTokens], ["stop", 7, 3]);
    assert.equal(server.requests.at(-1)?.body.parameters.details, true);
  }
});

void test("the simulated TGI takes prompts, and streams them to the same generation", async () => {
  await using simulator = await startSimulator();
  const facts: Generation[] = [];
  for (const stream of [false, true]) {
    for (const max_new_tokens of [4, 500]) {
      await using client = openLLM({
        base_url: simulator.url,
        stream,
        generation_kwargs: { max_new_tokens, temperature: 1, top_p: 1, stop_sequences: ["a", "b", "c", "d"] },
      });
      facts.push(await client.call(PROMPT));
    }
  }
  assert.deepEqual(facts.slice(0, 2), facts.slice(2));
  assert.deepEqual(
    facts.map(({ finishReason }) => finishReason),
    ["length", "stop", "length", "stop"],
  );
  assert.deepEqual(simulator.stats().byOutcome, { ok: 4 });
});

const INVALID = "Input validation error: ";
/** Status, `error`, `error_type`, and what the engine makes of it. */
const errors: readonly [status: number, error: string, type: string, code: ErrorCode][] = [
  [429, "Model is overloaded", "overloaded", "ENDPOINT_SATURATED"],
  [422, `${INVALID}\`temperature\` must be strictly positive`, "validation", "REQUEST_REJECTED"],
  [422, `${INVALID}\`stop\` supports up to 4 stop sequences. Given: 5`, "validation", "REQUEST_REJECTED"],
  [422, `${INVALID}\`inputs\` must have less than 10 tokens. Given: 12`, "validation", "CONTEXT_TOO_LONG"],
  [
    422,
    `${INVALID}\`inputs\` tokens + \`max_new_tokens\` must be <= 20. Given: 12 \`inputs\` tokens and 9 \`max_new_tokens\``,
    "validation",
    "CONTEXT_TOO_LONG",
  ],
  [424, "Request failed during generation: CUDA out of memory", "generation", "ENDPOINT_ERROR"],
  [500, "Incomplete generation", "incomplete_generation", "ENDPOINT_ERROR"],
  [500, "Incomplete generation stream", "incomplete_generation_stream", "ENDPOINT_ERROR"],
  [500, "Stream event serialization error", "stream_serialization_error", "ENDPOINT_ERROR"],
  [422, "Template error: template not found", "template_error", "REQUEST_REJECTED"],
  [422, "Missing template vatiable: x", "missing_template_variable", "REQUEST_REJECTED"],
  [422, "Tool error: no tools", "tool_error", "REQUEST_REJECTED"],
];

for (const [status, error, error_type, code] of errors) {
  void test(`${status} ${error_type} "${error.slice(0, 60)}" is ${code}, as a status and inside a 200 stream`, async () => {
    await using server = await startScriptedServer(
      tgi((_request, response) => sendJson(response, { error, error_type }, { status })),
    );
    await using plain = openLLM({ base_url: server.url });
    await using streamed = openLLM({ base_url: server.url, stream: true });
    await assert.rejects(plain.call(PROMPT), { code });
    server.script = streams(event({ error, error_type }));
    await assert.rejects(streamed.call(PROMPT), { code });
    server.script = streams(token("a"), event({ error, error_type }), last("a"));
    await assert.rejects(streamed.call(PROMPT), { code });
  });
}

const bodies: readonly [status: number, body: string, type: string, code: ErrorCode][] = [
  [503, `{"error":"unhealthy","error_type":"healthcheck"}`, "application/json", "ENDPOINT_ERROR"],
  [422, "Failed to deserialize the JSON body into the target type: x", "text/plain", "REQUEST_REJECTED"],
  [400, "Failed to parse the request body as JSON: x", "text/plain", "REQUEST_REJECTED"],
  [413, "length limit exceeded", "text/plain", "REQUEST_REJECTED"],
  [415, "Expected request with `Content-Type: application/json`", "text/plain", "WRONG_SERVICE"],
  [401, "", "", "UNAUTHORIZED"],
  [404, "", "", "WRONG_SERVICE"],
  [200, "<html>Sign in</html>", "text/html", "RESPONSE_INVALID"],
  [200, `{"generated_te`, "application/json", "RESPONSE_INVALID"],
  [200, "{}", "application/json", "RESPONSE_INVALID"],
  [200, "null", "application/json", "RESPONSE_INVALID"],
  [200, `{"error":"Model is overloaded","error_type":"overloaded"}`, "application/json", "ENDPOINT_SATURATED"],
];

for (const [status, body, type, code] of bodies) {
  void test(`${status} with "${body.slice(0, 40)}" is ${code}`, async () => {
    await using server = await startScriptedServer(
      tgi(
        (_request, response) => void response.writeHead(status, type === "" ? {} : { "content-type": type }).end(body),
      ),
    );
    await using client = openLLM({ base_url: server.url });
    await assert.rejects(client.call(PROMPT), { code });
  });
}

void test("a TGI without its native routes is told from one without any", async () => {
  await using server = await startScriptedServer(tgi((_request, response) => void response.writeHead(404).end()));
  await using client = openLLM({ base_url: server.url });
  await assert.rejects(client.call(PROMPT), { message: /has no TGI \/generate route/, mend: /proxy/ });
});

void test("keep-alive comments are no answer, and a missing space after data: is none", async () => {
  await using server = await startScriptedServer(
    streams(":\n\n", token("a").replace("data: ", "data:"), ":\n\n", last("a").trimEnd()),
  );
  await using client = openLLM({ base_url: server.url, stream: true });
  assert.equal((await client.call(PROMPT)).text, "a");
});

void test("the last event ends the answer, though the connection stays open", async () => {
  await using server = await startScriptedServer(
    tgi((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(token("a") + last("a"));
    }),
  );
  await using client = openLLM({ base_url: server.url, stream: true });
  assert.equal((await client.call(PROMPT)).text, "a");
});

void test("a stream that ends before its last event is STREAM_TRUNCATED, with what came", async () => {
  await using server = await startScriptedServer(streams(token("half"), token(" an answer")));
  await using client = openLLM({ base_url: server.url, stream: true });
  await assert.rejects(client.call(PROMPT), { code: "STREAM_TRUNCATED", rawResponse: "half an answer" });
  server.script = streams(token("half"), "data: [DONE]\n\n");
  await assert.rejects(client.call(PROMPT), { code: "RESPONSE_INVALID" });
});

void test("parameters that TGI ignores, and a missing max_new_tokens, are advised on where prompts are made here", async () => {
  await using server = await startScriptedServer(answers({}, {}));
  await using client = openLLM({ base_url: server.url, generation_kwargs: { min_p: 0.1, top_k: 3 } }, bracketRenderer);
  const served = await client.llm.probe(client.endpoint, new AbortController().signal);
  const advice = served.advice?.join("\n") ?? "";
  assert.match(advice, /\/generate ignores min_p\./);
  assert.match(advice, /max_new_tokens is not set/);
  assert.equal(served.maxConcurrentRequests, TGI_INFO.max_concurrent_requests);
});
