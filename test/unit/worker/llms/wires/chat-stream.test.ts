import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChatStream } from "../../../../../worker/llms/wires/chat-stream.ts";

const context = { endpoint: "http://h", model: "m", input: [], secrets: [] };
const event = (payload: unknown): string => `data: ${JSON.stringify(payload)}\n\n`;
const delta = (content: string, finish_reason: string | null = null) =>
  event({ model: "some/model", choices: [{ index: 0, delta: { role: "assistant", content }, finish_reason }] });
const usage = event({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 2 } });
const DONE = "data: [DONE]\n\n";

/** Feeds a stream in one piece. */
function read(text: string) {
  const stream = new ChatStream(context);
  stream.push(Buffer.from(text));
  return stream.end();
}

void test("a stream is the same wherever its bytes are cut", () => {
  const bytes = Buffer.from(`: keep-alive\n\n${delta("Grüße ")}${delta("🐦‍⬛ö", "stop")}${usage}${DONE}`);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
      const stream = new ChatStream(context);
      const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      for (let i = 1; i < places.length; i++) stream.push(bytes.subarray(places[i - 1], places[i]));
      assert.deepEqual(stream.end(), {
        text: "Grüße 🐦‍⬛ö",
        reasoning: null,
        finishReason: "stop",
        inputTokens: 5,
        outputTokens: 2,
        model: "some/model",
      });
    }),
  );
});

void test("a stream is complete at [DONE], and only then", () => {
  const stream = new ChatStream(context);
  assert.equal(stream.push(Buffer.from(delta("a", "stop"))), false);
  assert.equal(stream.push(Buffer.from(DONE)), true);
});

void test("a finish reason completes a stream that ends without [DONE] or its last blank line", () => {
  assert.equal(read(delta("a", "stop_sequence").trimEnd()).finishReason, "stop");
});

void test("a stream that ends before its answer is STREAM_TRUNCATED, with what came", () => {
  assert.throws(() => read(delta("half an ans")), { code: "STREAM_TRUNCATED", rawResponse: "half an ans" });
  assert.throws(() => read(""), { code: "STREAM_TRUNCATED" });
});

void test("a stream that says it is done without an answer is RESPONSE_INVALID", () => {
  assert.throws(() => read(DONE), { code: "RESPONSE_INVALID" });
});

void test("TGI's overload inside a 200 stream is ENDPOINT_SATURATED", () => {
  assert.throws(() => read(event({ error: { message: "Model is overloaded", http_status_code: 422 } }) + DONE), {
    code: "ENDPOINT_SATURATED",
  });
});

void test("an error after part of an answer counts, and not what follows it", () => {
  const failed = event({ error: { message: "EngineDeadError", type: "InternalServerError", code: 500 } });
  assert.throws(() => read(delta("a") + failed + delta("b", "stop") + DONE), { code: "ENDPOINT_ERROR" });
});

void test("an event that is no JSON is RESPONSE_INVALID", () => {
  assert.throws(() => read(`data: {"choi\n\n`), { code: "RESPONSE_INVALID" });
});

void test("reasoning and tool calls are put together from their pieces", () => {
  const choice = (fields: unknown, finish_reason: string | null = null) =>
    event({ choices: [{ delta: fields, finish_reason }] });
  const generation = read(
    choice({ role: "assistant", content: "", reasoning_content: "let me " }) +
      choice({ reasoning: "see" }) +
      choice({ tool_calls: [{ index: 0, id: "c1", function: { name: "f", arguments: '{"a"' } }] }) +
      choice({ tool_calls: [{ index: 0, function: { arguments: ":1}" } }] }, "tool_calls") +
      DONE,
  );
  assert.equal(generation.reasoning, "let me see");
  assert.deepEqual(JSON.parse(generation.text), [
    { type: "function", function: { name: "f", arguments: '{"a":1}' }, id: "c1" },
  ]);
});
