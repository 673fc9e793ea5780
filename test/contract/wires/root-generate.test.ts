/** `POST /`, the route of containers that are recognised as nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startSimulator } from "../../../bench/simulator/simulator.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import { rootGenerate } from "../../../worker/llms/wires/tgi-generate.ts";
import { event, openLLM, sendEvents, unlisted } from "../../support/inference-llm.ts";
import { sendJson, startScriptedServer } from "../../support/scripted-server.ts";
import { assertFits } from "../../unit/bench/simulator/tgi-schemas.ts";

const PROMPT = "Tell of the magpie and its seven nests.";
const context = { endpoint: "http://h", model: null, input: PROMPT, secrets: [] };

void test("a prompt for an unknown container goes to the base URL itself, and never asks for the prompt back", async () => {
  await using server = await startScriptedServer(
    unlisted((_request, response) => sendJson(response, [{ generated_text: "a bird" }])),
  );
  for (const [base, path] of [
    ["", "/"],
    ["/team/a/?key=1", "/team/a?key=1"],
  ]) {
    await using client = openLLM({
      base_url: server.url + base,
      api_key: "${KEY}",
      generation_kwargs: { max_new_tokens: 9, temperature: 0 },
    });
    assert.equal((await client.call(PROMPT)).text, "a bird");
    const post = server.requests.at(-1);
    assert.deepEqual([post?.method, post?.path], ["POST", path]);
    assert.equal(post?.headers.authorization, "Bearer key-canary");
    assert.deepEqual(assertFits("text-generation/input", post?.body), {
      inputs: PROMPT,
      stream: false,
      parameters: { max_new_tokens: 9, do_sample: false, return_full_text: false, seed: 11 },
    });
  }
});

void test("a list and an object are both answers, and a container may know nothing of streams", async () => {
  await using server = await startScriptedServer(
    unlisted((_request, response) => sendJson(response, { generated_text: "one" })),
  );
  await using client = openLLM({ base_url: server.url, stream: true });
  assert.equal((await client.call(PROMPT)).text, "one");
  assert.equal(server.requests.at(-1)?.body.stream, true);
  server.script = unlisted((_request, response) => sendJson(response, [{ generated_text: "listed" }]));
  assert.equal((await client.call(PROMPT)).text, "listed");
  server.script = unlisted((_request, response) =>
    sendEvents(response, [event({ token: { text: "so", special: false }, generated_text: "so", details: null })]),
  );
  assert.equal((await client.call(PROMPT)).text, "so");
});

void test("the simulated TGI understands what goes to its root route", async () => {
  await using simulator = await startSimulator();
  for (const stream of [false, true]) {
    const wire = rootGenerate("/");
    const shape = { generationKwargs: { max_new_tokens: 4, temperature: 0.5 }, structuredOutput: null, stream };
    const response = await fetch(simulator.url + wire.path(stream), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: wire.body(wire.head(shape), PROMPT, 3),
    });
    const { status, headers } = response;
    const text = await response.text();
    const reader = wire.openStream(context);
    if (stream) reader.push(Buffer.from(text));
    const answer = {
      status,
      headers: Object.fromEntries(headers),
      header: (name: string) => headers.get(name),
      text,
    };
    const generation = stream ? reader.end() : wire.read(answer, context, shape);
    assert.deepEqual([generation.finishReason, generation.outputTokens], ["length", 4]);
    assert.ok(!generation.text.includes(PROMPT));
  }
});

const errors: readonly [status: number, body: unknown, code: ErrorCode][] = [
  [400, { error: "The following `model_kwargs` are not used by the model: ['seed']" }, "REQUEST_REJECTED"],
  [503, { error: "Model some/model is currently loading", estimated_time: 20 }, "ENDPOINT_LOADING"],
  [500, { error: "CUDA out of memory" }, "ENDPOINT_ERROR"],
  [404, { error: "Not Found" }, "WRONG_SERVICE"],
  [200, [{ error: "Model is overloaded", error_type: "overloaded" }], "ENDPOINT_SATURATED"],
  [200, [], "RESPONSE_INVALID"],
  [200, [{ label: "POSITIVE", score: 0.9 }], "RESPONSE_INVALID"],
];
for (const [status, body, code] of errors) {
  void test(`${status} with ${JSON.stringify(body).slice(0, 50)} is ${code}`, async () => {
    await using server = await startScriptedServer(
      unlisted((_request, response) => sendJson(response, body, { status })),
    );
    await using client = openLLM({ base_url: server.url });
    await assert.rejects(client.call(PROMPT), { code });
  });
}

void test("where nothing takes prompts, the mend names /v1", async () => {
  await using server = await startScriptedServer(
    unlisted((_request, response) => sendJson(response, {}, { status: 405 })),
  );
  await using client = openLLM({ base_url: server.url });
  await assert.rejects(client.call(PROMPT), { code: "WRONG_SERVICE", mend: /End base_url with \/v1/ });
});
