/**
 * Bodies of llama.cpp's server as it sent them (xllamacpp 2026.10.11549, started by test/real/serve_model.py):
 * SmolLM2-135M-Instruct, two aliases, 4 requests at a time, 1,024 tokens of context each. `props.json` is `GET /props` with
 * the folder of the model's file changed.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { ErrorCode } from "../../../../shared/errors.ts";
import { ChatStream } from "../../../../worker/llms/wires/chat-stream.ts";
import { classifyResponse } from "../../../../worker/llms/classify-response.ts";
import { readChatAnswer } from "../../../../worker/llms/wires/chat-answer.ts";
import { recogniseByModels, recogniseTgi } from "../../../../worker/llms/recognise-server.ts";

const context = {
  endpoint: "http://h",
  model: "smollm2",
  input: [{ role: "user", content: "Say something about otters and their ways." }],
  secrets: [],
};
const headers = { "content-type": "application/json; charset=utf-8" };

function captured(name: string): string {
  return readFileSync(
    fileURLToPath(new URL(`../../../../../test/fixtures/llama-cpp/${name}`, import.meta.url)),
    "utf8",
  );
}

void test("an answer comes with its text, model, finish reason and tokens", () => {
  const generation = readChatAnswer({ status: 200, headers, text: captured("chat-stop.json") }, context);
  assert.match(generation.text, /^I'm sorry, but as a chatbot,.* with your query\.$/);
  const { text: _text, ...facts } = generation;
  assert.deepEqual(facts, {
    reasoning: null,
    finishReason: "stop",
    inputTokens: 33,
    outputTokens: 44,
    model: "smollm2-135m-instruct",
  });
});

void test("an answer that the token limit cut says so", () => {
  const generation = readChatAnswer({ status: 200, headers, text: captured("chat-length.json") }, context);
  assert.deepEqual([generation.finishReason, generation.outputTokens], ["length", 8]);
});

void test("a stream whose first delta is null and whose last chunk has the usage alone is read whole", () => {
  const stream = new ChatStream(context);
  assert.equal(stream.push(Buffer.from(captured("chat-length.sse"))), true);
  assert.deepEqual(stream.end(), {
    text: "The otter, as",
    reasoning: null,
    finishReason: "length",
    inputTokens: 37,
    outputTokens: 5,
    model: "smollm2",
  });
});

void test("its list of models is recognised, and model_id may be any of the aliases", () => {
  const list = JSON.parse(captured("models.json")) as unknown;
  const recognised = (modelId?: string) => {
    const server = recogniseByModels(list, { endpoint: "http://h", modelId, generationKwargs: {} });
    return [server?.server, server?.model, server?.requestModel];
  };
  assert.deepEqual(recognised(), ["llamacpp", "smollm2", "smollm2"]);
  assert.deepEqual(recognised("smollm2-135m-instruct"), ["llamacpp", "smollm2-135m-instruct", "smollm2-135m-instruct"]);
  assert.throws(() => recognised("other"), { code: "MODEL_NOT_FOUND" });
});

void test("its answer to /info is not TGI's", () => {
  const info = JSON.parse(captured("not-found.json")) as unknown;
  assert.equal(recogniseTgi(info, { endpoint: "http://h", modelId: undefined, generationKwargs: {} }), null);
});

const errors: readonly [file: string, status: number, code: ErrorCode][] = [
  ["loading.json", 503, "ENDPOINT_LOADING"],
  ["context-overflow.json", 400, "CONTEXT_TOO_LONG"],
  ["not-json.json", 400, "REQUEST_REJECTED"],
  ["no-messages.json", 400, "REQUEST_REJECTED"],
  ["missing-role.json", 500, "REQUEST_REJECTED"],
  ["image.json", 500, "REQUEST_REJECTED"],
  ["not-found.json", 404, "WRONG_SERVICE"],
];
for (const [file, status, code] of errors) {
  void test(`${file} with ${status} is ${code}, and its message repeats no prompt`, () => {
    const error = classifyResponse({ status, headers, text: captured(file) }, context);
    assert.equal(error.code, code);
    assert.equal(error.rawResponse, captured(file));
    assert.ok(!error.message.includes("otters"), error.message);
  });
}
