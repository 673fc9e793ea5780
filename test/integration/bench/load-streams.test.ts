/** Single requests against servers that send exact bytes, over HTTP. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { Answer } from "../../../bench/load/answer.ts";
import { clockMs } from "../../../bench/fine-timer.ts";
import { Connection } from "../../../bench/load/connection.ts";
import { Exchange } from "../../../bench/load/exchange.ts";
import { requestHeadersOf, secretsOf } from "../../../bench/load/load-target.ts";
import type { LoadTarget } from "../../../bench/load/load-target.ts";
import { ReadStamp } from "../../../bench/load/read-stamp.ts";
import { recordOf } from "../../../bench/load/record-request.ts";
import type { RequestRecord } from "../../../bench/load/request-record.ts";
import { routeOf, wireOf } from "../../../bench/load/wires/bench-wire.ts";

const STREAM = { "content-type": "text/event-stream" };
const DONE = "data: [DONE]\n\n";

void test("the role-only first chunk is no first token (vLLM's benchmark once took it for one)", async () => {
  const { record, answer } = await ask("chat", [
    delta({ role: "assistant", content: "" }),
    WAIT,
    delta({ content: "a" }, "stop"),
    DONE,
  ]);
  assert.equal(record.outcome, "ok");
  assert.equal(record.events, 1);
  assert.equal(record.firstTokenMs, Math.round(answer.stamps[0]! * 1_000) / 1_000);
  assert.ok(record.firstTokenMs > record.headersMs!);
});

void test("a usage chunk without choices is read, and is no event (inference-benchmarker would have panicked)", async () => {
  const usage = { prompt_tokens: 9, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 8 } };
  const { record } = await ask("chat", [delta({ content: "a b c" }, "length"), chunk([], usage), DONE]);
  assert.deepEqual(
    [record.events, record.outputTokens, record.outputTokensSource, record.promptTokens, record.cachedTokens],
    [1, 4, "usage", 9, 8],
  );
});

void test("a chunk is not taken for a token: without usage there is no count (llmperf counted chunks)", async () => {
  const { record } = await ask("chat", [delta({ content: "a b c" }), delta({ content: " d e" }, "stop"), DONE]);
  assert.deepEqual([record.events, record.outputTokens, record.outputTokensSource], [2, 0, null]);
});

void test("a chunk with no tokens in it is read on (inference-benchmarker divided by zero)", async () => {
  const usage = (completion_tokens: number) => ({ prompt_tokens: 1, completion_tokens });
  const { record, answer } = await ask(
    "chat",
    [
      delta({ role: "assistant", content: "" }, null, usage(0)),
      delta({ content: "a" }, null, usage(1)),
      delta({ content: "b" }, null, usage(1)),
      delta({ content: "" }, null, usage(2)),
      delta({ content: "c d" }, "stop", usage(5)),
      DONE,
    ],
    { server: "vllm" },
  );
  assert.deepEqual([record.events, record.outputTokens], [3, 5]);
  assert.deepEqual([...answer.tokens.subarray(0, 3)], [1, 0, 3]);
  assert.equal(answer.countsKnown, true);
});

void test("the token of the last chunk counts (inference-benchmarker left its text out)", async () => {
  const { record, answer } = await ask("tgi", [tgi(1, "a"), WAIT, tgi(2, "b", "ab")]);
  assert.deepEqual([record.outcome, record.events, record.outputTokens], ["ok", 2, 2]);
  assert.ok(record.lastTokenMs! > record.firstTokenMs!);
  assert.equal(record.lastTokenMs, Math.round(answer.stamps[1]! * 1_000) / 1_000);
});

void test("reasoning and tool calls are tokens too (sglang's benchmark gave such answers a TTFT of 0)", async () => {
  const calls = [{ index: 0, function: { arguments: "{" } }];
  for (const part of [{ reasoning_content: "hm" }, { reasoning: "hm" }, { tool_calls: calls }]) {
    const { record } = await ask("chat", [
      delta({ role: "assistant", content: "" }),
      delta(part),
      WAIT,
      delta({ content: "a" }, "stop"),
      DONE,
    ]);
    assert.equal(record.events, 2, Object.keys(part)[0]);
    assert.ok(record.firstTokenMs! < record.lastTokenMs!);
  }
});

void test("an empty stream has no TTFT, and is no answer (vLLM's benchmark counted a TTFT of 0)", async () => {
  const { record } = await ask("chat", [DONE]);
  assert.deepEqual([record.outcome, record.error, record.firstTokenMs, record.events], ["error", "no-answer", null, 0]);
  const empty = await ask("chat", [
    delta({ role: "assistant", content: "" }, "stop"),
    chunk([], { completion_tokens: 1 }),
    DONE,
  ]);
  assert.deepEqual([empty.record.outcome, empty.record.firstTokenMs, empty.record.outputTokens], ["ok", null, 1]);
});

void test("an error inside a stream of status 200 is an error, in each server's shape (guidellm counted success)", async () => {
  const shapes: readonly (readonly ["chat" | "tgi", string, string, string])[] = [
    ["tgi", '{"error":"Model is overloaded","error_type":"overloaded"}', "overloaded", "Model is overloaded"],
    ["chat", '{"error":{"message":"Model is overloaded","http_status_code":422}}', "overloaded", "Model is overloaded"],
    [
      "chat",
      '{"error":{"message":"The request queue is full.","type":"server","code":503}}',
      "overloaded",
      "The request queue is full.",
    ],
    ["chat", '{"object":"error","message":"out of memory","code":500}', "error-in-stream", "out of memory"],
    [
      "tgi",
      '{"error":"Request failed during generation: x","error_type":"generation"}',
      "error-in-stream",
      "Request failed during generation: x",
    ],
  ];
  for (const [route, error, code, message] of shapes) {
    const first = route === "tgi" ? tgi(1, "a") : delta({ content: "a" });
    const { record } = await ask(route, [first, `data: ${error}\n\n`, ...(route === "chat" ? [DONE] : [])]);
    assert.deepEqual([record.outcome, record.status, record.error, record.errorMessage], ["error", 200, code, message]);
    assert.equal(record.events, 1);
  }
});

void test("the first error of a stream stands (TGI sends a second for one that is refused)", async () => {
  const { record } = await ask("tgi", [
    'data: {"error":"Input validation error: `best_of`","error_type":"validation"}\n\n',
    'data: {"error":"Incomplete generation stream","error_type":"incomplete_generation_stream"}\n\n',
  ]);
  assert.deepEqual([record.error, record.errorMessage], ["error-in-stream", "Input validation error: `best_of`"]);
});

void test("`data:` without a space is read (TGI before axum 0.7)", async () => {
  const { record } = await ask("tgi", [
    tgi(1, "a").replace("data: ", "data:"),
    tgi(2, "b", "ab").replace("data: ", "data:"),
  ]);
  assert.deepEqual([record.outcome, record.events, record.promptTokens], ["ok", 2, 7]);
});

void test("a stream that stops without its last word is a failure, however politely it ends", async () => {
  for (const [route, event] of [
    ["tgi", tgi(1, "a")],
    ["chat", delta({ content: "a" })],
    ["chat", 'data: {"choi'],
  ] as const) {
    const { record } = await ask(route, [event]);
    assert.deepEqual([record.outcome, record.error], ["error", "no-end"], event);
  }
});

void test("an answer is whole with its finish reason, or with [DONE], whichever the server sends", async () => {
  const last = await ask("chat", [delta({ content: "a" }, "length")]);
  assert.deepEqual([last.record.outcome, last.record.finishReason], ["ok", "length"]);
  const done = await ask("completions", ['data: {"choices":[{"text":"a","finish_reason":""}]}\n\n', DONE]);
  assert.deepEqual([done.record.outcome, done.record.finishReason, done.record.events], ["ok", null, 1]);
});

void test("an event that is no JSON is an error", async () => {
  const { record } = await ask("chat", ['data: {"choices":[{"del\n\n', delta({ content: "a" }, "stop"), DONE]);
  assert.deepEqual([record.outcome, record.error], ["error", "bad-event"]);
});

void test("pages, plain JSON and refusals in place of a stream are errors of their own", async () => {
  const html = await ask("chat", ["<html>Please wait</html>"], {}, { "content-type": "text/html" });
  assert.deepEqual([html.record.error, html.record.errorMessage], ["not-a-stream", null]);
  const json = { "content-type": "application/json" };
  assert.equal((await ask("chat", ['{"choices":[]}'], {}, json)).record.error, "not-a-stream");
  const inside = await ask("chat", ['{"error":{"message":"no"}}'], {}, json);
  assert.deepEqual([inside.record.error, inside.record.errorMessage], ["error-in-200", "no"]);
  const refused = await ask("chat", ['{"error":"Input validation error: too long"}'], {}, json, 422);
  assert.deepEqual([refused.record.error, refused.record.status], ["http-422", 422]);
  assert.equal((await ask("chat", ['{"error":"Model is overloaded"}'], {}, json, 429)).record.error, "overloaded");
  assert.equal(
    (await ask("chat", ["Bad Gateway"], {}, { "content-type": "text/plain" }, 502)).record.error,
    "http-502",
  );
});

void test("a key that the server repeats is not recorded", async () => {
  const headers = { authorization: "Bearer sk-secret-1234" };
  const { record } = await ask(
    "chat",
    ['{"error":{"message":"wrong key sk-secret-1234"}}'],
    { headers },
    { "content-type": "application/json" },
    401,
  );
  assert.equal(record.errorMessage, "wrong key [secret]");
});

void test("a connection that breaks or never comes about has a short code", async () => {
  const broken = await ask("chat", [delta({ content: "a" }), WAIT, BREAK]);
  assert.deepEqual([broken.record.outcome, broken.record.error, broken.record.events], ["error", "reset", 1]);
  const whole = await ask("chat", [delta({ content: "a" }, "stop"), WAIT, BREAK]);
  assert.equal(whole.record.outcome, "ok");
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const { record } = await askUrl(`http://127.0.0.1:${port}`, "chat", {});
  assert.deepEqual([record.error, record.sentMs, record.status], ["refused", null, null]);
});

void test("requests go through a proxy wherever a job's would", async () => {
  const passed: string[] = [];
  const server = createServer((_request, response) => void response.writeHead(200, STREAM).end(tgi(1, "a", "a")));
  const proxy = createServer().on("connect", (request: IncomingMessage, client: Socket) => {
    passed.push(request.url!);
    const upstream = connect((server.address() as AddressInfo).port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      client.pipe(upstream).pipe(client);
    });
    client.on("error", () => upstream.destroy());
  });
  for (const each of [server, proxy]) await new Promise<void>((resolve) => each.listen(0, "127.0.0.1", resolve));
  process.env["HTTP_PROXY"] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  try {
    const { record } = await askUrl("http://model.invalid", "tgi", {});
    assert.deepEqual([record.outcome, record.events, passed], ["ok", 1, ["model.invalid:80"]]);
  } finally {
    delete process.env["HTTP_PROXY"];
    for (const each of [server, proxy]) each.close();
  }
});

void test("events of one read have one stamp, taken before they are parsed", async () => {
  const many = Array.from({ length: 400 }, (_, index) => tgi(index + 1, "a"));
  const { record, answer } = await ask("tgi", [many, WAIT, tgi(401, "b", "ab")]);
  assert.equal(record.events, 401);
  const stamps = new Set(answer.stamps.subarray(0, 401));
  // As many as there were reads, which are few for chunks that are written together; a stamp a chunk would be 401.
  assert.ok(stamps.size < 20, `${stamps.size} stamps`);
});

void test("a server is sent what it knows and nothing else", async () => {
  const sent = async (route: LoadTarget["route"], target: Partial<LoadTarget>) =>
    JSON.parse((await ask(route, [DONE], target)).body) as Record<string, unknown>;
  const generation = { temperature: 0, stop_sequences: ["x"], seed: 5 };
  assert.deepEqual(await sent("chat", { generation, ignoreEos: true, server: "vllm" }), {
    temperature: 0,
    stop: ["x"],
    seed: 5,
    ignore_eos: true,
    model: "m",
    stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true },
    max_tokens: 64,
    messages: [{ role: "user", content: "question" }],
  });
  const strict = await sent("chat", { generation: { max_tokens: null, max_completion_tokens: 9 }, server: "openai" });
  assert.deepEqual([strict["max_tokens"], strict["max_completion_tokens"]], [undefined, 9]);
  assert.deepEqual(strict["stream_options"], { include_usage: true });
  assert.equal((await sent("chat", { ignoreEos: true, server: "tgi" }))["ignore_eos"], undefined);
  assert.equal((await sent("completions", {}))["prompt"], "question");
  assert.deepEqual(await sent("tgi", { generation, ignoreEos: true }), {
    parameters: { do_sample: false, stop: ["x"], seed: 5, return_full_text: false, details: true, max_new_tokens: 64 },
    inputs: "question",
  });
});

/** Lets what was written go its way as a read of its own. */
const WAIT = Symbol("wait");
const BREAK = Symbol("break");
/** A list is written together, a chunk of HTTP each. */
type Piece = string | readonly string[] | typeof WAIT | typeof BREAK;

function chunk(choices: readonly unknown[], usage: unknown = null): string {
  return `data: ${JSON.stringify({ object: "chat.completion.chunk", choices, usage })}\n\n`;
}

function delta(
  of: Readonly<Record<string, unknown>>,
  finish_reason: string | null = null,
  usage: unknown = null,
): string {
  return chunk([{ index: 0, delta: of, finish_reason }], usage);
}

function tgi(index: number, word: string, whole: string | null = null): string {
  const details =
    whole === null ? null : { finish_reason: "length", generated_tokens: index, seed: null, input_length: 7 };
  return `data: ${JSON.stringify({ index, token: { id: 1, text: word, logprob: 0, special: false }, generated_text: whole, details })}\n\n`;
}

interface Asked {
  readonly record: RequestRecord;
  readonly answer: Answer;
  readonly body: string;
}

async function ask(
  route: LoadTarget["route"],
  pieces: readonly Piece[],
  target: Partial<LoadTarget> = {},
  headers: Readonly<Record<string, string>> = STREAM,
  status = 200,
): Promise<Asked> {
  let body = "";
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    void text(request).then(async (sent) => {
      body = sent;
      response.writeHead(status, headers);
      await write(response, pieces);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const asked = await askUrl(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, route, target);
    return { ...asked, body };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function write(response: ServerResponse, pieces: readonly Piece[]): Promise<void> {
  for (const piece of pieces) {
    if (piece === BREAK) {
      response.socket!.resetAndDestroy();
      return;
    }
    if (piece === WAIT) await new Promise((resolve) => setTimeout(resolve, 20));
    else {
      response.cork();
      for (const each of [piece].flat()) response.write(each);
      response.uncork();
    }
  }
  response.end();
}

async function askUrl(url: string, route: LoadTarget["route"], more: Partial<LoadTarget>): Promise<Asked> {
  const target: LoadTarget = {
    url,
    route,
    model: "m",
    headers: {},
    ignoreEos: false,
    generation: {},
    requestTimeoutMs: 10_000,
    ...more,
  };
  const wire = wireOf(target);
  const { origin, path } = routeOf(target);
  const connection = new Connection({ origin, connectTimeoutMs: 5_000 });
  const answer = new Answer();
  const body = wire.body({ messages: [{ role: "user", content: "question" }], text: "question", maxTokens: 64 });
  const originMs = clockMs();
  const exchange = await new Promise<Exchange>((settled) => {
    const asking = new Exchange({ wire, answer, stamp: new ReadStamp(), originMs, sendAgain: () => false, settled });
    connection.send({ method: "POST", path, headers: requestHeadersOf(target), body }, asking);
  });
  await connection.close();
  const window = { startMs: 0, endMs: Number.POSITIVE_INFINITY };
  const context = { stage: "s", window, eventsAreTokens: wire.eventsAreTokens, secrets: secretsOf(target) };
  return { record: recordOf({ index: 0, prompt: 0, dueMs: 0 }, exchange, context), answer, body };
}
