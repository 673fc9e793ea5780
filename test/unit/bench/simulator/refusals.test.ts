import assert from "node:assert/strict";
import { test } from "node:test";
import { startSimulator } from "../../../../bench/simulator/simulator.ts";
import { chat, eventsOf, get, openStream, post } from "./client.ts";
import type { Reply } from "./client.ts";
import { assertFits } from "./tgi-schemas.ts";

function assertError(reply: Reply, status: number, error: string, type: string): void {
  assert.equal(reply.status, status, reply.text);
  assert.equal(reply.headers["content-type"], "application/json");
  assert.deepEqual(JSON.parse(reply.text), { error, error_type: type });
}

void test("each parameter out of its limits is refused in TGI's words", async () => {
  await using simulator = await startSimulator({ maxInputTokens: 10, maxTotalTokens: 20 });
  const refusals: [Record<string, unknown>, string][] = [
    [{ temperature: 0 }, "`temperature` must be strictly positive"],
    [{ top_p: 1 }, "`top_p` must be > 0.0 and < 1.0"],
    [{ top_p: 0 }, "`top_p` must be > 0.0 and < 1.0"],
    [{ typical_p: 1 }, "`typical_p` must be > 0.0 and < 1.0"],
    [{ top_k: 0 }, "`top_k` must be strictly positive"],
    [{ repetition_penalty: 0 }, "`repetition_penalty` must be strictly positive"],
    [{ frequency_penalty: 2.1 }, "`frequency_penalty` must be >= -2.0 and <= 2.0"],
    [{ max_new_tokens: 0 }, "`max_new_tokens` must be strictly positive"],
    [{ stop: ["a", "b", "c", "d", "e"] }, "`stop` supports up to 4 stop sequences. Given: 5"],
    [{ best_of: 3 }, "`best_of` must be > 0 and <= 2. Given: 3"],
    [{ top_n_tokens: 6 }, "`top_n_tokens` must be >= 0 and <= 5. Given: 6"],
    [{ grammar: { type: "regex", value: "a" } }, "grammar is not supported"],
    [
      { max_new_tokens: 18 },
      "`inputs` tokens + `max_new_tokens` must be <= 20. Given: 3 `inputs` tokens and 18 `max_new_tokens`",
    ],
  ];
  for (const [parameters, text] of refusals) {
    const reply = await post(`${simulator.url}/generate`, { inputs: "three words here", parameters });
    assertError(reply, 422, `Input validation error: ${text}`, "validation");
  }
  const long = await post(`${simulator.url}/generate`, { inputs: "a ".repeat(11), parameters: { max_new_tokens: 1 } });
  assertError(long, 422, "Input validation error: `inputs` must have less than 10 tokens. Given: 11", "validation");
  const empty = await post(`${simulator.url}/generate`, { inputs: "" });
  assertError(empty, 422, "Input validation error: `inputs` cannot be empty", "validation");
  assert.deepEqual(simulator.stats().byOutcome, { invalid: refusals.length + 2 });
});

void test("chat takes temperature 0 as greedy and refuses what generate refuses", async () => {
  await using simulator = await startSimulator();
  const url = `${simulator.url}/v1/chat/completions`;
  assert.equal((await post(url, chat("hello", { temperature: 0 }))).status, 200);
  const refusals: [Record<string, unknown>, string][] = [
    [{ temperature: -1 }, "`temperature` must be strictly positive"],
    [{ top_p: 1 }, "`top_p` must be > 0.0 and < 1.0"],
    [{ max_tokens: 0 }, "`max_new_tokens` must be strictly positive"],
    [{ response_format: { type: "json_object", value: {} } }, "grammar is not supported"],
  ];
  for (const [more, text] of refusals) {
    assertError(await post(url, chat("hello", more)), 422, `Input validation error: ${text}`, "validation");
  }
});

void test("a stream is refused inside a 200", async () => {
  await using simulator = await startSimulator();
  const message = "Input validation error: `top_p` must be > 0.0 and < 1.0";
  const generate = await post(`${simulator.url}/generate_stream`, { inputs: "hello", parameters: { top_p: 1 } });
  assert.equal(generate.status, 200);
  assert.equal(generate.text, `data: ${JSON.stringify({ error: message, error_type: "validation" })}\n\n`);

  const streamed = await post(`${simulator.url}/v1/chat/completions`, chat("hello", { stream: true, top_p: 1 }));
  assert.equal(streamed.status, 200);
  assert.deepEqual(eventsOf(streamed.text), [JSON.stringify({ error: { message, http_status_code: 422 } }), "[DONE]"]);
});

void test("one request too many is refused at once, without Retry-After, and inside a 200 for streams", async () => {
  await using simulator = await startSimulator({ maxConcurrentRequests: 2, hangPrompts: ["never"] });
  const url = `${simulator.url}/v1/chat/completions`;
  const held = [
    await openStream(url, chat("never 1", { stream: true })),
    await openStream(url, chat("never 2", { stream: true })),
  ];
  const reply = await post(url, chat("too many"));
  assertError(reply, 429, "Model is overloaded", "overloaded");
  assert.equal(reply.headers["retry-after"], undefined);
  const streamed = await post(url, chat("too many", { stream: true }));
  assert.deepEqual(eventsOf(streamed.text), [
    '{"error":{"message":"Model is overloaded","http_status_code":422}}',
    "[DONE]",
  ]);
  const generate = await post(`${simulator.url}/generate_stream`, { inputs: "too many" });
  assert.deepEqual(eventsOf(generate.text), ['{"error":"Model is overloaded","error_type":"overloaded"}']);
  assert.deepEqual(simulator.stats().byOutcome, { overloaded: 3 });
  assert.equal(simulator.stats().inFlight, 2);
  assert.equal(simulator.stats().maxInFlight, 2);
  for (const stream of held) stream.leave();
});

void test("without a limit any number of requests is let in", async () => {
  await using simulator = await startSimulator({
    maxConcurrentRequests: 0,
    latency: { distribution: "fixed", medianMs: 5 },
  });
  const replies = await Promise.all(
    Array.from({ length: 200 }, (_, index) => post(`${simulator.url}/generate`, { inputs: `prompt ${index}` })),
  );
  assert.ok(replies.every((reply) => reply.status === 200));
});

void test("a wrong or missing key is answered 401 with an empty body, the right one is taken", async () => {
  await using simulator = await startSimulator({ apiKey: "secret" });
  const url = `${simulator.url}/v1/chat/completions`;
  for (const headers of [{}, { authorization: "Bearer wrong" }, { authorization: "secret" }]) {
    const reply = await post(url, chat("hello"), { headers });
    assert.deepEqual([reply.status, reply.text], [401, ""]);
  }
  assert.equal((await post(url, chat("hello"), { headers: { authorization: "Bearer secret" } })).status, 200);
});

void test("a body that is no JSON, of the wrong type or of the wrong shape is refused in plain text", async () => {
  await using simulator = await startSimulator();
  const url = `${simulator.url}/v1/chat/completions`;
  const refused = async (status: number, beginning: string, reply: Promise<Reply>): Promise<void> => {
    const { status: found, headers, text } = await reply;
    assert.equal(found, status, text);
    assert.match(String(headers["content-type"]), /^text\/plain/);
    assert.ok(text.startsWith(beginning), text);
  };
  await refused(400, "Failed to parse the request body as JSON: ", post(url, '{"messages": ['));
  await refused(400, "Failed to parse the request body as JSON: ", post(url, ""));
  const type = { headers: { "content-type": "text/plain" } };
  await refused(415, "Expected request with `Content-Type: application/json`", post(url, chat("hello"), type));
  const misfit = "Failed to deserialize the JSON body into the target type: ";
  await refused(422, `${misfit}missing field \`messages\``, post(url, { model: "tgi" }));
  await refused(422, misfit, post(url, [1]));
  await refused(422, misfit, post(url, { messages: [{ content: "no role" }] }));
  await refused(422, misfit, post(url, chat("hello", { max_tokens: -1 })));
  await refused(422, misfit, post(url, chat("hello", { temperature: "warm" })));
  await refused(422, `${misfit}missing field \`inputs\``, post(`${simulator.url}/generate`, { prompt: "hello" }));
  await refused(422, misfit, post(`${simulator.url}/generate`, { inputs: "hello", parameters: { stop: "a" } }));
  assert.deepEqual(simulator.stats().byOutcome, { rejected: 10 });
});

void test("a body of 2,000,000 bytes is read, a larger one is answered 413, and the connection lives on", async () => {
  await using simulator = await startSimulator();
  const url = `${simulator.url}/generate`;
  const bodyOf = (bytes: number): string => {
    const empty = JSON.stringify({ inputs: "" }).length;
    return JSON.stringify({ inputs: "x".repeat(bytes - empty) });
  };
  assert.equal((await post(url, bodyOf(2_000_000))).status, 200);
  assert.equal((await post(url, bodyOf(2_000_001))).status, 413);
  assert.equal((await post(url, { inputs: "hello" })).status, 200);
});

void test("an unknown route is answered 404, a known one with the wrong method 405", async () => {
  await using simulator = await startSimulator();
  assert.equal((await get(`${simulator.url}/v2`)).status, 404);
  assert.equal((await get(`${simulator.url}/constructor`)).status, 404);
  assert.equal((await post(`${simulator.url}/v1/embeddings`, {})).status, 404);
  assert.equal((await get(`${simulator.url}/generate`)).status, 405);
  assert.equal((await post(`${simulator.url}/info`, {})).status, 405);
});

void test("wrong options, a taken port and a log that cannot be written are usage errors", async () => {
  await using simulator = await startSimulator();
  const usage = (pattern: RegExp) => (error: Error & { code?: string }) =>
    error.code === "USAGE" && pattern.test(error.message);
  await assert.rejects(startSimulator({ faults: { "429": 0.6, reset: 0.5 } }), usage(/faults: .* at most 1/));
  await assert.rejects(startSimulator({ answerWords: 3 } as object), usage(/answerWords/));
  await assert.rejects(startSimulator({ port: Number(new URL(simulator.url).port) }), usage(/EADDRINUSE/));
  await assert.rejects(startSimulator({ log: "/dev/null/no-folder/log" }), usage(/ENOTDIR/));
  assertFits(
    { type: "object", required: ["requests", "answers", "inFlight", "maxInFlight", "byOutcome"] },
    simulator.stats(),
  );
});
