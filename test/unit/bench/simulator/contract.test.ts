import assert from "node:assert/strict";
import { test } from "node:test";
import { answerFor, countTokens, promptOf } from "../../../../bench/simulator/answer.ts";
import { startSimulator } from "../../../../bench/simulator/simulator.ts";
import { chat, eventsOf, get, post } from "./client.ts";
import type { Reply } from "./client.ts";
import { assertFits } from "./tgi-schemas.ts";

const QUESTION = 'Why does the "sky" look blue?\nAnswer in one line. 🐦';
const whole = answerFor(QUESTION, { answerChars: 200 });
const wholeChat = answerFor(promptOf([{ role: "user", content: QUESTION }]), { answerChars: 200 });

interface ChatAnswer {
  readonly object: string;
  readonly id: string;
  readonly model: string;
  readonly created: number;
  readonly system_fingerprint: string;
  readonly choices: readonly {
    readonly message: { readonly role: string; readonly content: string };
    readonly delta: { readonly role: string; readonly content: string };
    readonly finish_reason: string | null;
  }[];
  readonly usage: Record<"prompt_tokens" | "completion_tokens" | "total_tokens", number> | null;
}

interface GenerateAnswer {
  readonly index: number;
  readonly token: { readonly text: string; readonly special: boolean };
  readonly generated_text: string | null;
  readonly details?: Record<string, unknown> | null;
}

function parsed<T>(reply: Reply): T {
  assert.equal(reply.status, 200, reply.text);
  return JSON.parse(reply.text) as T;
}

function parsedEvents<T>(reply: Reply): T[] {
  assert.equal(reply.status, 200);
  assert.equal(reply.headers["content-type"], "text/event-stream");
  assert.equal(reply.headers["cache-control"], "no-cache");
  assert.equal(reply.headers["x-accel-buffering"], "no");
  assert.equal(reply.headers["x-compute-type"], "gpu+optimized");
  assert.equal(reply.headers["x-generated-tokens"], undefined);
  assert.ok(reply.text.startsWith("data: {"));
  return eventsOf(reply.text).map((data) => (data === "[DONE]" ? data : JSON.parse(data)) as T);
}

const textOf = (events: readonly ChatAnswer[]): string =>
  events.map((event) => event.choices[0]?.delta.content ?? "").join("");

void test("a chat answer fits TGI's schema and carries its prompt's answer and counts", async () => {
  await using simulator = await startSimulator();
  const body = assertFits("chat-completion/input", chat(QUESTION, { max_tokens: 500, temperature: 0, seed: 7 }));
  const reply = await post(`${simulator.url}/v1/chat/completions`, body);
  const answer = assertFits("chat-completion/output", parsed<ChatAnswer>(reply));

  assert.equal(reply.headers["content-type"], "application/json");
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.id, "");
  assert.equal(answer.model, "simulated/magpie-1");
  assert.ok(Math.abs(answer.created - Date.now() / 1000) < 60);
  assert.deepEqual(answer.choices[0]?.message, { role: "assistant", content: wholeChat.text });
  assert.equal(answer.choices[0]?.finish_reason, "stop");
  const promptTokens = countTokens(promptOf([{ role: "user", content: QUESTION }]));
  assert.deepEqual(answer.usage, {
    prompt_tokens: promptTokens,
    completion_tokens: wholeChat.tokens,
    total_tokens: promptTokens + wholeChat.tokens,
  });
  assert.equal(reply.headers["x-prompt-tokens"], `${promptTokens}`);
  assert.equal(reply.headers["x-generated-tokens"], `${wholeChat.tokens}`);
});

void test("a chat answer cut by max_tokens, or its other name, says so", async () => {
  await using simulator = await startSimulator();
  for (const name of ["max_tokens", "max_completion_tokens"]) {
    const answer = parsed<ChatAnswer>(
      await post(`${simulator.url}/v1/chat/completions`, chat(QUESTION, { [name]: 3 })),
    );
    assert.equal(answer.choices[0]?.message.content, wholeChat.text.split(" ").slice(0, 3).join(" "));
    assert.equal(answer.choices[0]?.finish_reason, "length");
    assert.equal(answer.usage?.completion_tokens, 3);
  }
});

void test("a chat stream has one chunk a token, the finish in the last, usage when asked for, and an end mark", async () => {
  await using simulator = await startSimulator();
  const body = assertFits(
    "chat-completion/input",
    chat(QUESTION, { stream: true, stream_options: { include_usage: true } }),
  );
  const events = parsedEvents<ChatAnswer>(await post(`${simulator.url}/v1/chat/completions`, body));
  assert.equal(events.pop(), "[DONE]");
  const usage = events.pop()!;
  for (const event of [...events, usage]) {
    assertFits("chat-completion/stream_output", event);
    assert.equal(event.object, "chat.completion.chunk");
    assert.equal(event.id, "");
  }
  assert.deepEqual(usage.choices, []);
  assert.equal(usage.usage?.completion_tokens, events.length);
  assert.equal(textOf(events), wholeChat.text);
  assert.equal(events.length, wholeChat.tokens);
  assert.ok(events.every((event) => event.usage === null && event.choices[0]?.delta.role === "assistant"));
  assert.deepEqual(
    events.map((event) => event.choices[0]?.finish_reason),
    [...events.slice(1).map(() => null), "stop"],
  );
  assert.equal(events.at(-1)?.choices[0]?.delta.content, ""); // The end of the sequence.
});

void test("a cut chat stream ends with the finish reason length on its last word", async () => {
  await using simulator = await startSimulator();
  const body = chat(QUESTION, { stream: true, max_tokens: 4 });
  const events = parsedEvents<ChatAnswer>(await post(`${simulator.url}/v1/chat/completions`, body));
  assert.equal(events.pop(), "[DONE]");
  assert.equal(textOf(events), wholeChat.text.split(" ").slice(0, 4).join(" "));
  assert.equal(events.at(-1)?.choices[0]?.finish_reason, "length");
});

void test("generate answers an object without details, and the compatible route a list of one", async () => {
  await using simulator = await startSimulator();
  const body = assertFits("text-generation/input", { inputs: QUESTION, parameters: { max_new_tokens: 500 } });
  const reply = await post(`${simulator.url}/generate`, body);
  assert.deepEqual(assertFits("text-generation/output", parsed(reply)), { generated_text: whole.text });
  assert.deepEqual(parsed(await post(`${simulator.url}/`, body)), [{ generated_text: whole.text }]);

  assert.equal(reply.headers["x-prompt-tokens"], `${countTokens(QUESTION)}`);
  assert.equal(reply.headers["x-generated-tokens"], `${whole.tokens}`);
  assert.equal(reply.headers["x-compute-characters"], `${Array.from(QUESTION).length}`);
  assert.equal(reply.headers["x-compute-type"], "gpu+optimized");
  assert.match(String(reply.headers["x-compute-time"]), /^\d+(\.\d+)?$/);
  for (const name of ["total-time", "validation-time", "queue-time", "inference-time", "time-per-token"]) {
    assert.match(String(reply.headers[`x-${name}`]), /^\d+$/);
  }
});

void test("generate gives details, prompt tokens and the prompt itself when asked for", async () => {
  await using simulator = await startSimulator();
  const parameters = { details: true, decoder_input_details: true, return_full_text: true, seed: 7, max_new_tokens: 5 };
  const body = assertFits("text-generation/input", { inputs: QUESTION, parameters });
  const answer = assertFits(
    "text-generation/output",
    parsed<GenerateAnswer>(await post(`${simulator.url}/generate`, body)),
  );
  const { tokens, prefill, ...details } = answer.details as { tokens: GenerateAnswer["token"][]; prefill: unknown[] };
  const cut = whole.text.split(" ").slice(0, 5).join(" ");
  assert.equal(answer.generated_text, QUESTION + cut);
  assert.deepEqual(details, { finish_reason: "length", generated_tokens: 5, seed: 7 });
  assert.equal(tokens.map((token) => token.text).join(""), cut);
  assert.equal(prefill.length, countTokens(QUESTION));
});

void test("a generate stream has one event a token, a special one at its end, the text in the last, and no end mark", async () => {
  await using simulator = await startSimulator();
  const body = assertFits("text-generation/input", { inputs: QUESTION, parameters: { details: true } });
  const events = parsedEvents<GenerateAnswer>(await post(`${simulator.url}/generate_stream`, body));
  for (const event of events) assertFits("text-generation/stream_output", event);
  const last = events.at(-1)!;
  assert.deepEqual(
    events.map((event) => event.index),
    events.map((_, index) => index + 1),
  );
  assert.ok(events.slice(0, -1).every((event) => event.generated_text === null && event.details === null));
  assert.equal(last.generated_text, whole.text);
  assert.deepEqual(last.details, {
    finish_reason: "eos_token",
    generated_tokens: whole.tokens,
    seed: null,
    input_length: countTokens(QUESTION),
  });
  assert.equal(last.token.special, true);
  const texts = events.filter((event) => !event.token.special).map((event) => event.token.text);
  assert.equal(texts.join(""), whole.text);

  const compat = await post(`${simulator.url}/`, { inputs: QUESTION, stream: true });
  assert.equal(parsedEvents<GenerateAnswer>(compat).at(-1)?.details, null);
});

void test("info, models and health answer as TGI's router does, without a key", async () => {
  await using simulator = await startSimulator({ model: "some/model", maxConcurrentRequests: 9, apiKey: "k" });
  const text = { type: "string" };
  const count = { type: "integer", minimum: 1 };
  const unknown = { type: "null" };
  const info = assertFits(
    {
      type: "object",
      additionalProperties: false,
      minProperties: 14,
      properties: {
        model_id: { const: "some/model" },
        model_sha: unknown,
        model_pipeline_tag: { const: "text-generation" },
        max_concurrent_requests: { const: 9 },
        max_best_of: count,
        max_stop_sequences: count,
        max_input_tokens: count,
        max_total_tokens: count,
        validation_workers: count,
        max_client_batch_size: count,
        router: { const: "text-generation-router" },
        version: text,
        sha: unknown,
        docker_label: unknown,
      },
    },
    parsed<Record<string, unknown>>(await get(`${simulator.url}/info`)),
  );
  assert.ok(Number(info["max_input_tokens"]) < Number(info["max_total_tokens"]));
  assert.deepEqual(parsed(await get(`${simulator.url}/v1/models`)), {
    object: "list",
    data: [{ id: "some/model", object: "model", created: 0, owned_by: "some/model" }],
  });
  for (const path of ["/", "/health", "/ping", "/health?probe=1"]) {
    const reply = await get(simulator.url + path);
    assert.deepEqual([reply.status, reply.text], [200, ""]);
  }
});

void test("metrics count successes, failures and tokens under TGI's names", async () => {
  await using simulator = await startSimulator();
  await post(`${simulator.url}/v1/chat/completions`, chat(QUESTION, { max_tokens: 3 }));
  await post(`${simulator.url}/generate`, { inputs: QUESTION, parameters: { max_new_tokens: 4 } });
  await post(`${simulator.url}/generate`, { inputs: "" });
  const lines = (await get(`${simulator.url}/metrics`)).text.split("\n");
  for (const line of [
    "tgi_request_count 4", // The chat request counts twice.
    "tgi_request_success 2",
    'tgi_request_failure{err="validation"} 1',
    "tgi_queue_size 0",
    "tgi_batch_current_size 0",
    "tgi_request_generated_tokens_sum 7",
    "tgi_request_duration_count 2",
    'tgi_request_duration_bucket{le="+Inf"} 2',
    "tgi_request_queue_duration_sum 0",
  ]) {
    assert.ok(lines.includes(line), line);
  }
});
