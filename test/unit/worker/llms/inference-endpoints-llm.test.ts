import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { LLMSpec } from "../../../../shared/spec/job-spec.ts";
import { InferenceEndpointsLLM } from "../../../../worker/llms/inference-endpoints-llm.ts";
import { chatAnswer, sendJson, startScriptedServer, tgi, TGI_INFO } from "../../../support/scripted-server.ts";
import type { Script } from "../../../support/scripted-server.ts";
import { withResolvers } from "../../../support/with-resolvers.ts";

const never = new AbortController().signal;
const input = [{ role: "user", content: "hello" }];
const options = { secret: (): string => "key-canary", environment: {} };

function connect(spec: Record<string, unknown>, more: Partial<typeof options> = {}) {
  const llm = new InferenceEndpointsLLM(LLMSpec.parse(spec), { ...options, ...more });
  const [endpoint = ""] = llm.endpoints;
  const call = (signal = never, generationKwargs: Record<string, unknown> = {}) =>
    llm.call({ input, endpoint, generationKwargs, structuredOutput: null, preQuery: false, seed: 11, signal });
  return { llm, endpoint, call, probe: () => llm.probe(endpoint, never), [Symbol.asyncDispose]: () => llm.close() };
}

/** Starts a stream with one token and leaves it open. */
function beginStream(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: "a" }, finish_reason: null }] })}\n\n`);
}

const neverAnswers: Script = () => undefined;
const notFound: Script = (_request, response) => sendJson(response, { detail: "Not Found" }, { status: 404 });

void test("a call to TGI is one POST with the translated body and constant headers", async () => {
  await using server = await startScriptedServer(tgi((_request, response) => sendJson(response, chatAnswer("hi"))));
  await using client = connect({ base_url: `${server.url}/v1/`, api_key: "${KEY}" });
  const generation = await client.call(never, { max_new_tokens: 5, top_p: 1 });
  assert.equal(generation.text, "hi");
  const posts = server.requests.filter(({ method }) => method === "POST");
  assert.equal(posts.length, 1);
  assert.equal(posts[0]?.path, "/v1/chat/completions");
  assert.equal(posts[0]?.headers.authorization, "Bearer key-canary");
  assert.deepEqual(posts[0]?.body, { model: "tgi", max_tokens: 5, messages: input, seed: 11 });
});

void test("a server without /info is recognised by its list of models", async () => {
  await using server = await startScriptedServer((request, response) => {
    if (request.path !== "/v1/models") return notFound(request, response);
    return sendJson(response, { data: [{ id: "org/m", owned_by: "sglang", root: "org/m" }] });
  });
  await using client = connect({ base_url: server.url });
  assert.deepEqual(await client.probe(), { server: "sglang", model: "org/m", revision: null });
  assert.equal(client.llm.modelName, "org/m");
});

void test("a server that lists nothing is asked for model_id, or for no model", async () => {
  await using server = await startScriptedServer((request, response) =>
    request.method === "POST" ? sendJson(response, chatAnswer("x")) : notFound(request, response),
  );
  await using named = connect({ base_url: server.url, model_id: "some/name" });
  await using unnamed = connect({ base_url: server.url });
  assert.equal((await named.probe()).model, "some/name");
  await named.call();
  await unnamed.call();
  const models = server.requests.filter(({ method }) => method === "POST").map(({ body }) => body.model as unknown);
  assert.deepEqual(models, ["some/name", undefined]);
});

void test("a web page at /info does not matter, one at /v1/models is WRONG_SERVICE", async () => {
  const page = (response: ServerResponse): void =>
    void response.writeHead(200, { "content-type": "text/html" }).end("<html>");
  await using behindPages = await startScriptedServer((request, response) =>
    request.path === "/v1/models" ? sendJson(response, { data: [{ id: "m" }] }) : page(response),
  );
  await using onlyPages = await startScriptedServer((_request, response) => page(response));
  await using good = connect({ base_url: behindPages.url });
  await using bad = connect({ base_url: onlyPages.url });
  assert.equal((await good.probe()).model, "m");
  await assert.rejects(bad.probe(), { code: "WRONG_SERVICE", message: /wrong content type: text\/html/ });
});

void test("a probe reports a loading server and a refused key", async () => {
  await using server = await startScriptedServer((_request, response) =>
    sendJson(response, { error: { code: 503, message: "Loading model" } }, { status: 503 }),
  );
  await using client = connect({ base_url: server.url });
  await assert.rejects(client.probe(), { code: "ENDPOINT_LOADING" });
  server.script = (_request, response) => sendJson(response, {}, { status: 401 });
  await assert.rejects(client.probe(), { code: "UNAUTHORIZED" });
});

void test("a streamed answer is put together, and connections are used again", async () => {
  await using server = await startScriptedServer(
    tgi((_request, response) => {
      beginStream(response);
      response.end(
        `data: ${JSON.stringify({ choices: [{ delta: { content: "b" }, finish_reason: "stop" }] })}\n\ndata: [DONE]\n\n`,
      );
    }),
  );
  await using client = connect({ base_url: server.url, stream: true });
  for (let time = 0; time < 20; time++) assert.equal((await client.call()).text, "ab");
  // The end of a stream may trail behind its [DONE], so that the next call finds its connection still busy.
  assert.ok(server.connections <= 2, `${server.connections} connections`);
});

void test("a server that answers a streamed call in one piece is understood", async () => {
  await using server = await startScriptedServer(tgi((_request, response) => sendJson(response, chatAnswer("whole"))));
  await using client = connect({ base_url: server.url, stream: true });
  assert.equal((await client.call()).text, "whole");
});

void test("a connection that breaks within a stream is STREAM_TRUNCATED, before an answer CONNECTION_LOST", async () => {
  await using server = await startScriptedServer(
    tgi((_request, response) => {
      beginStream(response);
      setImmediate(() => response.destroy());
    }),
  );
  await using client = connect({ base_url: server.url, stream: true });
  await assert.rejects(client.call(), { code: "STREAM_TRUNCATED" });
  server.script = tgi((_request, response) => void response.destroy());
  await assert.rejects(client.call(), { code: "CONNECTION_LOST" });
});

void test("an abort ends the request at the server and rejects with the signal's reason", async () => {
  for (const stream of [false, true]) {
    const arrived = withResolvers<ServerResponse>();
    await using server = await startScriptedServer(
      tgi((_request, response) => {
        if (stream) beginStream(response);
        arrived.resolve(response);
      }),
    );
    await using client = connect({ base_url: server.url, stream });
    const controller = new AbortController();
    const call = client.call(controller.signal);
    const response = await arrived.promise;
    const closed = once(response, "close");
    const reason = new Error("not wanted any more");
    controller.abort(reason);
    await assert.rejects(call, reason);
    await closed;
  }
});

void test("an aborted signal sends nothing", async () => {
  await using server = await startScriptedServer(tgi(neverAnswers));
  await using client = connect({ base_url: server.url });
  await client.probe();
  await assert.rejects(client.call(AbortSignal.abort(new Error("gone"))), /gone/);
  assert.ok(server.requests.every(({ method }) => method === "GET"));
});

void test("a request that takes too long is REQUEST_TIMEOUT and ends at the server", async () => {
  const closed = withResolvers<void>();
  await using server = await startScriptedServer(
    tgi((_request, response) => void response.on("close", closed.resolve)),
  );
  await using client = connect({ base_url: server.url, request_timeout: "80ms" });
  await assert.rejects(client.call(), { code: "REQUEST_TIMEOUT", message: /did not finish within 0\.08 s/ });
  await closed.promise;
});

void test("a stream that falls silent is REQUEST_TIMEOUT", async () => {
  await using server = await startScriptedServer(tgi((_request, response) => beginStream(response)));
  await using client = connect({ base_url: server.url, stream: true, idle_timeout: "60ms" });
  await assert.rejects(client.call(), { code: "REQUEST_TIMEOUT", message: /went silent/ });
});

void test("silence before the first byte of a stream is no idle time", async () => {
  await using server = await startScriptedServer(
    tgi((_request, response) => void setTimeout(() => sendJson(response, chatAnswer("late")), 150)),
  );
  await using client = connect({ base_url: server.url, stream: true, idle_timeout: "20ms" });
  assert.equal((await client.call()).text, "late");
});

void test("errors of a call show neither key nor prompt", async () => {
  await using server = await startScriptedServer(
    tgi((request, response) => {
      const echo = `bad: ${request.headers.authorization} ${JSON.stringify(request.body.messages)}`;
      sendJson(response, { error: echo, error_type: "validation" }, { status: 422 });
    }),
  );
  await using client = connect({ base_url: server.url.replace("http://", "http://user:pass-canary@") });
  const error = await client.call().then(
    () => assert.fail("no error"),
    (thrown: unknown) => thrown as Error,
  );
  const shown = `${error.message} ${JSON.stringify(error)} ${client.endpoint}`;
  assert.ok(!/hello|canary/.test(shown) && !shown.includes(Buffer.from("user:pass-canary").toString("base64")), shown);
});

void test("connection failures are told apart", async () => {
  const refused = await startScriptedServer(neverAnswers);
  await refused.close();
  await using toNobody = connect({ base_url: refused.url });
  await assert.rejects(toNobody.call(), { code: "ENDPOINT_UNREACHABLE", message: /connection refused/ });
  await using toNowhere = connect({ base_url: "http://no-such-host.invalid" });
  await assert.rejects(toNowhere.call(), { code: "ENDPOINT_UNREACHABLE" });

  const babbler = createServer((socket) => void socket.on("data", () => socket.end("SSH-2.0-OpenSSH\r\n"))).listen(
    0,
    "127.0.0.1",
  );
  await once(babbler, "listening");
  await using toBabbler = connect({ base_url: `http://127.0.0.1:${(babbler.address() as AddressInfo).port}` });
  await assert.rejects(toBabbler.call(), { code: "RESPONSE_INVALID", message: /not HTTP/ });
  await using overTls = connect({ base_url: `https://127.0.0.1:${(babbler.address() as AddressInfo).port}` });
  await assert.rejects(overTls.call(), { code: "ENDPOINT_UNREACHABLE" });
  babbler.close();
});

void test("HTTP_PROXY is used, NO_PROXY and the machine's own addresses are not sent through it", async () => {
  await using server = await startScriptedServer(tgi((_request, response) => sendJson(response, chatAnswer("direct"))));
  const asked: string[] = [];
  const { createServer: createHttpServer } = await import("node:http");
  const { connect: connectTcp } = await import("node:net");
  const proxy = createHttpServer().listen(0, "127.0.0.1");
  proxy.on("connect", (request, socket) => {
    asked.push(request.url ?? "");
    const through = connectTcp(server.port, "127.0.0.1", () => socket.write("HTTP/1.1 200 OK\r\n\r\n"));
    socket.pipe(through).pipe(socket);
    socket.on("error", () => through.destroy());
    through.on("error", () => socket.destroy());
  });
  await once(proxy, "listening");
  const HTTP_PROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  {
    await using proxied = connect({ base_url: "http://model.test:8080" }, { environment: { HTTP_PROXY } });
    assert.equal((await proxied.call()).text, "direct");
    assert.deepEqual([...new Set(asked)], ["model.test:8080"]);
    await using exempt = connect(
      { base_url: "http://model.invalid" },
      { environment: { HTTP_PROXY, NO_PROXY: "model.invalid" } },
    );
    await assert.rejects(exempt.call(), { code: "ENDPOINT_UNREACHABLE" });
    await using local = connect({ base_url: server.url }, { environment: { HTTP_PROXY } });
    assert.equal((await local.call()).text, "direct");
    assert.deepEqual([...new Set(asked)], ["model.test:8080"]);
  }
  proxy.closeAllConnections();
  proxy.close();
});

void test("what a spec may not hold is refused", () => {
  assert.throws(() => connect({}), { code: "SPEC_INVALID", place: "base_url" });
  assert.throws(() => connect({ base_url: ["http://h", "http://h/v1"] }), { code: "SPEC_INVALID" });
  assert.throws(() => connect({ base_url: "http://h", generation_kwargs: { n: 4 } }), { code: "SPEC_INVALID" });
});

void test("several base URLs are several endpoints", () => {
  const { llm } = connect({ base_url: ["http://a/v1?key=1", "http://b/v1"], model_display_name: "shown" });
  assert.deepEqual(llm.endpoints, ["http://a/v1", "http://b/v1"]);
  assert.equal(llm.modelName, "shown");
});

void test("calls before any probe share one", async () => {
  await using server = await startScriptedServer(
    tgi((_request, response) => sendJson(response, chatAnswer("x")), TGI_INFO),
  );
  await using client = connect({ base_url: server.url });
  await Promise.all(Array.from({ length: 10 }, () => client.call()));
  assert.equal(server.requests.filter(({ path }) => path === "/info").length, 1);
});

void test("a call that gives up while its endpoint is found leaves the others waiting", async () => {
  const leaving = new AbortController();
  const reason = new Error("left");
  const asked = withResolvers<() => void>();
  const serving = tgi((_request, response) => sendJson(response, chatAnswer("x")), TGI_INFO);
  await using server = await startScriptedServer((request, response) => {
    if (request.path !== "/info") return serving(request, response);
    asked.resolve(() => void serving(request, response));
  });
  await using client = connect({ base_url: server.url });
  const left = client.call(leaving.signal);
  const stayed = client.call();
  const answer = await asked.promise;
  leaving.abort(reason);
  await assert.rejects(left, (error) => error === reason);
  answer();
  assert.equal((await stayed).text, "x");
});

void test("close ends the finding of an endpoint, whoever waits for it", async () => {
  const asked = withResolvers<void>();
  await using server = await startScriptedServer(() => asked.resolve());
  const client = connect({ base_url: server.url });
  const outcomes = Promise.allSettled([client.call(), client.probe()]);
  await asked.promise;
  await client.llm.close();
  for (const outcome of await outcomes) {
    assert.equal(outcome.status, "rejected");
    assert.deepEqual([outcome.reason.name, outcome.reason.message], ["AbortError", "The LLM was closed."]);
  }
  await assert.rejects(client.call(), { name: "AbortError" });
});
