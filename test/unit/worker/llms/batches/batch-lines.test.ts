import assert from "node:assert/strict";
import { test } from "node:test";
import type { ResponseContext } from "../../../../../worker/llms/classify-response.ts";
import {
  batchRequest,
  readResultLine,
  requestLine,
  verdictOf,
} from "../../../../../worker/llms/batches/batch-lines.ts";

const context: ResponseContext = { endpoint: "http://host", model: null, input: [], secrets: [] };

function verdict(line: object): unknown {
  const result = readResultLine(JSON.stringify({ id: "b", custom_id: "c", response: null, error: null, ...line }));
  assert.ok(result !== null);
  const { kind, ...more } = verdictOf(result.answer, context) as {
    kind: string;
    attempt?: boolean;
    error?: Error | null;
  };
  return kind === "settled" ? kind : [kind, more.attempt, more.error === null ? null : "job"];
}

void test("a request is named by its route and body, and by OpenAI's name of the route wherever the API lies", () => {
  const one = batchRequest("/openai/v1/chat/completions?key=secret", '{"a":1}');
  assert.equal(one.url, "/v1/chat/completions");
  assert.match(one.customId, /^[0-9a-f]{32}$/);
  assert.deepEqual(one, batchRequest("/v1/chat/completions", '{"a":1}'));
  const others = [batchRequest("/v1/completions", '{"a":1}'), batchRequest("/v1/chat/completions", '{"a":2}')];
  assert.equal(new Set([one, ...others].map(({ customId }) => customId)).size, 3);
});

void test("a route that batches do not take is refused", () => {
  assert.throws(() => batchRequest("/generate", "{}"), { code: "SPEC_INVALID", place: "use_offline_batch_generation" });
});

void test("a line of requests is OpenAI's, with the body as it was made", () => {
  const request = batchRequest("/v1/completions", '{"prompt":"ü","seed":9007199254740991}');
  const line = requestLine(request);
  assert.ok(line.endsWith("}\n"));
  assert.deepEqual(JSON.parse(line), {
    custom_id: request.customId,
    method: "POST",
    url: "/v1/completions",
    body: { prompt: "ü", seed: 9_007_199_254_740_991 },
  });
});

void test("answers and refusals of a row are settled; what passes is asked again", () => {
  const answered = (status_code: number, body: object = {}): object => ({ response: { status_code, body } });
  assert.equal(verdict(answered(200)), "settled");
  assert.equal(verdict(answered(400, { error: { message: "no" } })), "settled");
  assert.deepEqual(verdict(answered(500)), ["again", true, null]);
  assert.deepEqual(verdict(answered(429, { error: { message: "slow down" } })), ["again", true, null]);
  assert.deepEqual(verdict(answered(401)), ["again", false, "job"]);
  assert.deepEqual(verdict({ error: { code: "batch_expired", message: "expired" } }), ["again", false, null]);
  assert.deepEqual(verdict({ error: { code: "batch_cancelled", message: "cancelled" } }), ["again", false, null]);
  assert.deepEqual(verdict({ error: { code: "server_error", message: "oh" } }), ["again", true, null]);
  assert.deepEqual(verdict({}), ["again", false, null]);
});

void test("what is no line of results is told from one", () => {
  for (const text of ["", "nonsense", "5", "{}", '{"custom_id":5}', '{"custom_id":"c","response":{}}']) {
    assert.equal(readResultLine(text), null, text);
  }
});
