import assert from "node:assert/strict";
import { test } from "node:test";
import { unknownServer } from "../../../../../worker/llms/recognise-server.ts";
import type { RecognisedServer } from "../../../../../worker/llms/recognise-server.ts";
import { readChatAnswer } from "../../../../../worker/llms/wires/chat-answer.ts";
import { openAIChat } from "../../../../../worker/llms/wires/openai-chat.ts";
import type { BodyFields } from "../../../../../worker/llms/wires/wire.ts";
import { chatAnswer } from "../../../../support/scripted-server.ts";

const context = { endpoint: "http://h", model: "asked/for", input: [], secrets: [] };
const server: RecognisedServer = { ...unknownServer(undefined), server: "openai", model: "m" };
const fieldsOf = (
  generationKwargs: BodyFields,
  more: Partial<RecognisedServer> & { readonly stream?: boolean } = {},
) => {
  const { stream = false, ...others } = more;
  const wire = openAIChat({ ...server, ...others }, "/v1/chat/completions");
  const head = wire.head({ generationKwargs, structuredOutput: null, stream });
  const { messages: _messages, seed: _seed, ...fields } = JSON.parse(wire.body(head, [], 0)) as Record<string, unknown>;
  return fields;
};
const plain = { generationKwargs: {}, structuredOutput: null, stream: false };
const read = (body: unknown, type = "application/json") =>
  readChatAnswer(
    { status: 200, headers: { "content-type": type }, text: typeof body === "string" ? body : JSON.stringify(body) },
    context,
  );
const withMessage = (message: Record<string, unknown>, finish_reason: string | null = "stop") => ({
  choices: [{ index: 0, message, finish_reason }],
});

void test("known names are translated and unknown ones travel as they are", () => {
  const kwargs = {
    max_new_tokens: 9,
    stop_sequences: ["a"],
    temperature: 0.5,
    top_k: 3,
    chat_template_kwargs: { x: 1 },
  };
  const wire = openAIChat({ ...server, requestModel: "m" }, "/");
  const head = wire.head({ ...plain, generationKwargs: kwargs });
  const body: unknown = JSON.parse(wire.body(head, [{ role: "user", content: "hi" }], 2 ** 53 - 1));
  assert.deepEqual(body, {
    model: "m",
    max_tokens: 9,
    stop: ["a"],
    temperature: 0.5,
    top_k: 3,
    chat_template_kwargs: { x: 1 },
    messages: [{ role: "user", content: "hi" }],
    seed: 9007199254740991,
  });
});

void test("a body without parameters is JSON as well", () => {
  const wire = openAIChat(server, "/");
  assert.deepEqual(JSON.parse(wire.body(wire.head(plain), [], 1)), { messages: [], seed: 1 });
});

void test("a stream asks for usage", () => {
  const fields = fieldsOf({}, { stream: true });
  assert.deepEqual(fields, { stream: true, stream_options: { include_usage: true } });
});

void test("top_p 1 is left out for TGI, which refuses it, and kept for others", () => {
  assert.deepEqual(fieldsOf({ top_p: 1 }, { isTgi: true }), {});
  assert.deepEqual(fieldsOf({ top_p: 1 }), { top_p: 1 });
});

void test("an answer is read with its usage and model", () => {
  assert.deepEqual(read(chatAnswer("four")), {
    text: "four",
    reasoning: null,
    finishReason: "stop",
    inputTokens: 7,
    outputTokens: 3,
    model: "some/model",
  });
});

void test("an answer without usage or model has no counts and the name asked for", () => {
  const { inputTokens, outputTokens, model } = read(withMessage({ content: "x" }));
  assert.deepEqual([inputTokens, outputTokens, model], [null, null, "asked/for"]);
});

void test("finish reasons of TGI are translated, others kept", () => {
  const finish = (reason: string | null) => read(withMessage({ content: "x" }, reason)).finishReason;
  assert.equal(finish("stop_sequence"), "stop");
  assert.equal(finish("eos_token"), "stop");
  assert.equal(finish("length"), "length");
  assert.equal(finish("content_filter"), "content_filter");
  assert.equal(finish(null), null);
});

void test("reasoning is kept apart under either of its names", () => {
  assert.equal(read(withMessage({ content: "x", reasoning: "so" })).reasoning, "so");
  assert.equal(read(withMessage({ content: "x", reasoning_content: "so" })).reasoning, "so");
});

void test("tool calls without a text become the text", () => {
  const calls = [{ type: "function", function: { name: "f", arguments: "{}" } }];
  const generation = read(withMessage({ content: null, tool_calls: calls }, "tool_calls"));
  assert.deepEqual(JSON.parse(generation.text), calls);
  assert.equal(generation.finishReason, "tool_calls");
});

void test("an empty text is an answer, and one that a filter took away is not", () => {
  assert.equal(read(withMessage({ content: "" })).text, "");
  assert.throws(() => read(withMessage({ content: null }, "content_filter")), { code: "CONTENT_FILTERED" });
  assert.throws(() => read(withMessage({ content: null, refusal: "I cannot" })), { code: "CONTENT_FILTERED" });
});

void test("an answer that the server aborted is tried again", () => {
  assert.throws(() => read(withMessage({ content: "ha" }, "abort")), { code: "ENDPOINT_ERROR" });
});

for (const [what, body, type] of [
  ["empty choices", { choices: [] }, "application/json"],
  ["no choices", {}, "application/json"],
  ["null", "null", "application/json"],
  ["a truncated JSON", '{"choices":[{"mess', "application/json"],
  ["an empty body", "", "application/json"],
  ["HTML with status 200", "<html>Sign in</html>", "text/html; charset=utf-8"],
] as const) {
  void test(`${what} is RESPONSE_INVALID, with the raw response`, () => {
    assert.throws(
      () => read(body, type),
      (error: { code?: string; rawResponse?: string }) =>
        error.code === "RESPONSE_INVALID" &&
        error.rawResponse === (typeof body === "string" ? body : JSON.stringify(body)),
    );
  });
}

void test("an error inside a 200 is classified by its content", () => {
  assert.throws(() => read({ error: { message: "Model is overloaded" } }), { code: "ENDPOINT_SATURATED" });
});
