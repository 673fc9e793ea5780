import assert from "node:assert/strict";
import { test } from "node:test";
import { request } from "undici";
import { clockMs } from "../../../../bench/fine-timer.ts";
import { answerFor } from "../../../../bench/simulator/answer.ts";
import type { SimulatorInput } from "../../../../bench/simulator/options.ts";
import { startSimulator } from "../../../../bench/simulator/simulator.ts";
import { chat, eventsOf, get, openStream, post } from "./client.ts";

/** Ten tokens, the first after 4 ms and each other after 1 ms. */
const QUICK = { knownTruth: { fixedTtftMs: 4, stepMs: 1, maxBatch: 8 }, answerTokens: 10 } satisfies SimulatorInput;
const PROMPT = "Name a bird.";

interface GenerateEvent {
  readonly index: number;
  readonly token: { readonly text: string; readonly special: boolean };
  readonly generated_text: string | null;
  readonly details: { readonly finish_reason: string; readonly generated_tokens: number } | null;
}

interface CompletionChunk {
  readonly choices: readonly { readonly text: string; readonly finish_reason: string }[];
  readonly usage?: Record<string, number>;
}

function generateEvents(body: string): GenerateEvent[] {
  return eventsOf(body).map((data) => JSON.parse(data) as GenerateEvent);
}

/** What comes over the wire, with the time at which each piece came. */
async function piecesOf(url: string, body: unknown): Promise<{ text: string; atMs: number }[]> {
  const headers = { "content-type": "application/json" };
  const answer = await request(url, { method: "POST", headers, body: JSON.stringify(body) });
  const pieces: { text: string; atMs: number }[] = [];
  for await (const chunk of answer.body) pieces.push({ text: String(chunk), atMs: clockMs() });
  return pieces;
}

/** Resolves when the condition holds; the test runner's own time limit ends a wait for what never comes. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

void test("in a batch every route gives the answer that it gives without", async () => {
  await using plain = await startSimulator({ answerTokens: 10 });
  await using batched = await startSimulator({ ...QUICK });
  const created = /"created":\d+/g;
  const calls: [string, unknown][] = [
    ["/generate", { inputs: PROMPT, parameters: { details: true } }],
    ["/generate_stream", { inputs: PROMPT, parameters: { details: true } }],
    ["/", { inputs: PROMPT, stream: true }],
    ["/v1/chat/completions", chat(PROMPT)],
    ["/v1/chat/completions", chat(PROMPT, { stream: true, stream_options: { include_usage: true }, max_tokens: 3 })],
    ["/v1/completions", { prompt: PROMPT }],
    ["/v1/completions", { prompt: PROMPT, stream: true, max_tokens: 4 }],
  ];
  for (const [path, body] of calls) {
    const [expected, found] = await Promise.all([plain, batched].map(({ url }) => post(url + path, body)));
    assert.equal(found!.status, 200);
    assert.equal(found!.text.replace(created, ""), expected!.text.replace(created, ""), path);
  }
  assert.deepEqual(batched.stats().byOutcome, { ok: calls.length });
});

void test("completions: TGI's chunks, usage in the last, and [DONE]", async () => {
  await using simulator = await startSimulator({ answerTokens: 4 });
  const streamed = await post(`${simulator.url}/v1/completions`, { prompt: PROMPT, stream: true });
  const events = eventsOf(streamed.text);
  assert.equal(events.at(-1), "[DONE]");
  const chunks = events.slice(0, -1).map((data) => JSON.parse(data) as CompletionChunk);
  const words = answerFor(PROMPT, { answerChars: 200, answerTokens: 4 }).text;
  assert.equal(chunks.map(({ choices }) => choices[0]!.text).join(""), words);
  assert.deepEqual(
    chunks.map(({ choices }) => choices[0]!.finish_reason),
    ["", "", "", "eos_token"],
  );
  assert.deepEqual(chunks.at(-1)!.usage, { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 });
  assert.equal(chunks[0]!.usage, undefined);
  const whole = await post(`${simulator.url}/v1/completions`, { prompt: [PROMPT], max_tokens: 2 });
  assert.match(
    whole.text,
    /^\{"object":"text_completion",.*"finish_reason":"length"\}\],"usage":\{.*:2,"total_tokens":5\}\}$/,
  );
  assert.equal((await post(`${simulator.url}/v1/completions`, { prompt: [PROMPT, PROMPT] })).status, 422);
  assert.equal((await post(`${simulator.url}/v1/completions`, {})).status, 422);
});

void test("the head of a stream comes at once, before any token", async () => {
  await using simulator = await startSimulator({ knownTruth: { fixedTtftMs: 3_600_000, stepMs: 1, maxBatch: 1 } });
  const answer = await request(`${simulator.url}/generate_stream`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ inputs: PROMPT }),
  });
  assert.equal(answer.statusCode, 200);
  answer.body.on("error", () => {}); // The cut.
  answer.body.destroy();
});

void test("no token comes before its time", async () => {
  await using simulator = await startSimulator({
    knownTruth: { fixedTtftMs: 60, stepMs: 15, maxBatch: 1 },
    answerTokens: 5,
  });
  const startMs = clockMs();
  let tokens = 0;
  for (const piece of await piecesOf(`${simulator.url}/generate_stream`, { inputs: PROMPT })) {
    const complete = tokens + piece.text.split("\n\n").length - 1;
    for (; tokens < complete; tokens++) assert.ok(piece.atMs - startMs >= 60 + 15 * tokens);
  }
  assert.equal(tokens, 5);
});

void test("a token is an event of its own, written at its step", async () => {
  await using simulator = await startSimulator({
    knownTruth: { fixedTtftMs: 20, stepMs: 20, maxBatch: 1 },
    answerTokens: 6,
  });
  const pieces = await piecesOf(`${simulator.url}/generate_stream`, { inputs: PROMPT });
  assert.equal(generateEvents(pieces.map((piece) => piece.text).join("")).length, 6);
  for (const piece of pieces) assert.match(piece.text, /^(data: .*\n\n)+$/);
});

void test("a silent stream is kept alive by comments", async () => {
  await using simulator = await startSimulator({
    knownTruth: { fixedTtftMs: 120, stepMs: 1, maxBatch: 1 },
    answerTokens: 3,
    keepAliveMs: 20,
  });
  const streamed = await post(`${simulator.url}/generate_stream`, { inputs: PROMPT });
  assert.match(streamed.text, /^(:\n\n)+data: /);
  assert.equal(eventsOf(streamed.text).length, 3);
});

void test("requests beyond the batch wait, and headers and metrics tell how long", async () => {
  await using simulator = await startSimulator({ ...QUICK, knownTruth: { fixedTtftMs: 300, stepMs: 1, maxBatch: 1 } });
  const prompts = ["one", "two", "three"];
  const replies = await Promise.all(prompts.map((inputs) => post(`${simulator.url}/generate`, { inputs })));
  const waits = replies.map(({ headers }) => Number(headers["x-queue-time"])).toSorted((one, other) => one - other);
  assert.ok(waits[0] === 0 && waits[1]! > 0 && waits[2]! > waits[1]!, waits.join(" "));
  for (const { headers } of replies) {
    assert.ok(Number(headers["x-total-time"]) >= Number(headers["x-queue-time"]) + 308);
    assert.ok(Number(headers["x-inference-time"]) >= 308);
  }
  const metrics = (await get(`${simulator.url}/metrics`)).text;
  const queueMs = 1_000 * Number(/tgi_request_queue_duration_sum (\S+)/.exec(metrics)![1]);
  const told = waits.reduce((sum, wait) => sum + wait, 0); // Whole milliseconds, cut.
  assert.ok(queueMs >= told && queueMs < told + waits.length, `${queueMs} and ${told}`);
});

void test("metrics tell the batch's truth under TGI's names", async () => {
  await using simulator = await startSimulator({
    batching: { preset: "h100", timeScale: 0.1, kvTokens: 5_000 },
    answerTokens: 10,
  });
  for (const _ of [1, 2]) await post(`${simulator.url}/generate_stream`, { inputs: "one two three four" });
  const lines = (await get(`${simulator.url}/metrics`)).text.split("\n");
  for (const line of [
    'tgi_batch_inference_count{method="prefill"} 2',
    'tgi_batch_inference_count{method="decode"} 18',
    'tgi_batch_inference_success{method="decode"} 18',
    'tgi_batch_inference_failure{method="decode"} 0',
    'tgi_batch_inference_duration_count{method="decode"} 18',
    'tgi_batch_forward_duration_bucket{method="prefill",le="+Inf"} 2',
    "tgi_batch_next_size_count 20",
    "tgi_batch_max_total_tokens 4999",
    "tgi_batch_current_max_tokens 0",
    "tgi_batch_current_size 0",
    "tgi_queue_size 0",
    // The second prompt was held as a whole.
    "tgi_request_skipped_tokens_sum 4",
    "tgi_request_skipped_tokens_count 2",
    "tgi_request_generated_tokens_sum 20",
  ]) {
    assert.ok(lines.includes(line), line);
  }
  const decodeSeconds = Number(
    lines.find((line) => line.startsWith('tgi_batch_inference_duration_sum{method="decode"}'))!.split(" ")[1],
  );
  // One sequence: (8.7 + 0.1) ms, at a tenth.
  assert.ok(Math.abs(decodeSeconds / 18 - 0.00088) < 1e-9, `${decodeSeconds}`);
});

void test("more than 1,024 tokens come in one stream, though the request went back to the queue", async () => {
  await using simulator = await startSimulator({
    batching: { preset: "h100", timeScale: 0.001 },
    answerTokens: 1_100,
  });
  const streamed = await post(`${simulator.url}/generate_stream`, { inputs: PROMPT, parameters: { details: true } });
  const events = generateEvents(streamed.text);
  assert.equal(events.length, 1_100);
  assert.equal(events.at(-1)!.details!.generated_tokens, 1_100);
  const metrics = (await get(`${simulator.url}/metrics`)).text;
  assert.match(metrics, /tgi_batch_inference_count\{method="prefill"\} 2/);
});

void test("a request that cannot go back to the queue ends by length after 1,024 tokens", async () => {
  await using simulator = await startSimulator({
    batching: { preset: "h100", timeScale: 0.001, kvTokens: 1_200 },
    answerTokens: 1_500,
  });
  // Only the 1,024 that are allotted at once are checked beforehand.
  const parameters = { details: true, max_new_tokens: 3_000 };
  const streamed = await post(`${simulator.url}/generate_stream`, { inputs: PROMPT, parameters });
  const events = generateEvents(streamed.text);
  assert.equal(events.length, 1_024);
  const { generated_text: given, details } = events.at(-1)!;
  assert.deepEqual([details!.finish_reason, details!.generated_tokens], ["length", 1_024]);
  assert.equal(given, events.map(({ token }) => token.text).join(""));
});

void test("what a replica could never hold is refused as too long", async () => {
  await using simulator = await startSimulator({ batching: { preset: "l4", kvTokens: 100, timeScale: 0.01 } });
  const refused = await post(`${simulator.url}/generate`, { inputs: PROMPT, parameters: { max_new_tokens: 200 } });
  assert.equal(refused.status, 422);
  assert.match(refused.text, /must be <= 99\. Given: 3 `inputs` tokens and 200/);
  assert.equal(
    (JSON.parse((await get(`${simulator.url}/info`)).text) as Record<string, number>)["max_total_tokens"],
    99,
  );
  const taken = await post(`${simulator.url}/generate`, { inputs: PROMPT, parameters: { max_new_tokens: 96 } });
  assert.equal(taken.status, 200);
});

void test("a client that leaves gives up its place", async () => {
  const hour = { fixedTtftMs: 5, stepMs: 3_600_000, maxBatch: 1 };
  await using simulator = await startSimulator({ knownTruth: hour, answerTokens: 10 });
  const stream = await openStream(`${simulator.url}/generate_stream`, { inputs: PROMPT });
  const abort = new AbortController();
  const waiting = post(`${simulator.url}/generate`, { inputs: "Name a fish." }, { signal: abort.signal });
  await until(() => simulator.stats().batch!.queued === 1);
  abort.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  await until(() => simulator.stats().batch!.queued === 0);
  stream.leave();
  await until(() => simulator.stats().batch!.running === 0);
  assert.deepEqual(simulator.stats().byOutcome, { dropped: 2 });
});

void test("a request goes to the replica with the least to do, and each takes its own number", async () => {
  const hour = { fixedTtftMs: 3_600_000, stepMs: 1, maxBatch: 1 };
  await using simulator = await startSimulator({ knownTruth: hour, replicas: 2, maxConcurrentRequests: 2 });
  const abort = new AbortController();
  const sent = Array.from({ length: 4 }, (_, index) =>
    assert.rejects(post(`${simulator.url}/generate`, { inputs: `prompt ${index}` }, { signal: abort.signal })),
  );
  await until(() => simulator.stats().inFlight === 4);
  const { running, queued } = simulator.stats().batch!;
  assert.deepEqual([running, queued], [2, 2]);
  assert.equal((await post(`${simulator.url}/generate`, { inputs: PROMPT })).status, 429);
  abort.abort();
  await Promise.all(sent);
});

void test("the simulator tells how late its own steps were, since it was last asked", async () => {
  await using simulator = await startSimulator({ ...QUICK });
  await post(`${simulator.url}/generate`, { inputs: PROMPT });
  const { lateness } = simulator.stats();
  assert.ok(lateness!.count >= 10 && lateness!.p50Ms > 0 && lateness!.p50Ms <= lateness!.maxMs);
  assert.deepEqual(JSON.parse((await get(`${simulator.url}/simulator/lateness`)).text), lateness);
  assert.equal(simulator.stats().lateness!.count, 0);
  await using without = await startSimulator();
  assert.equal((await get(`${without.url}/simulator/lateness`)).text, "null");
});

void test("an answer's length follows its prompt, within its limits", async () => {
  await using simulator = await startSimulator({
    answerLength: { meanTokens: 20, sigmaTokens: 10, minTokens: 15, maxTokens: 30 },
  });
  const count = async (inputs: string): Promise<number> =>
    Number((await post(`${simulator.url}/generate`, { inputs })).headers["x-generated-tokens"]);
  const prompts = Array.from({ length: 40 }, (_, index) => `prompt ${index}`);
  const lengths = await Promise.all(prompts.map(count));
  assert.deepEqual(await Promise.all(prompts.map(count)), lengths);
  assert.equal(Math.min(...lengths), 15);
  assert.equal(Math.max(...lengths), 30);
  assert.ok(new Set(lengths).size > 5);
});

void test("options that exclude each other are named", async () => {
  const wrong: [SimulatorInput, RegExp][] = [
    [{ ...QUICK, batching: { preset: "h100" } }, /not both/],
    [{ answerTokens: 5, answerLength: { meanTokens: 5 } }, /not both/],
    [{ batching: { kvTokens: 100 } }, /stepTime/],
    [{ batching: { preset: "h200" as "h100" } }, /preset/],
    [{ answerLength: { meanTokens: 5, minTokens: 9, maxTokens: 3 } }, /minTokens/],
  ];
  for (const [options, message] of wrong) await assert.rejects(startSimulator(options), { code: "USAGE", message });
});
