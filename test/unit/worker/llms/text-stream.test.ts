import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { startSimulator } from "../../../../bench/simulator/simulator.ts";
import { bracketRenderer, event, listing, openLLM, sendEvents } from "../../../support/inference-llm.ts";
import { sendJson, startScriptedServer, tgi } from "../../../support/scripted-server.ts";
import { withResolvers } from "../../../support/with-resolvers.ts";

const conversation = [{ role: "user", content: "Tell of the magpie." }];
const token = (text: string): string => event({ index: 1, token: { text, special: false }, generated_text: null });
const last = event({ index: 3, token: { text: "</s>", special: true }, generated_text: "a bird", details: null });

async function collect(texts: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const text of texts) all.push(text);
  return all;
}

/** Starts a stream with one token and leaves it open. */
function begin(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(token("a"));
}

void test("texts come as the server sends them, over each wire", async () => {
  await using simulator = await startSimulator();
  await using client = openLLM({ base_url: simulator.url });
  await using rendering = openLLM({ base_url: simulator.url }, bracketRenderer);
  for (const llm of [client.llm, rendering.llm]) {
    const texts = await collect(llm.stream(conversation, { generationKwargs: { max_new_tokens: 5 } }));
    assert.equal(texts.length, 5);
    assert.match(texts.join(""), /^answer-[0-9a-f]{16}:/);
  }
  await using server = await startScriptedServer(
    listing("vllm", (_request, response) =>
      sendEvents(
        response,
        ["so ", "it is"].map((text) => event({ choices: [{ text, finish_reason: text === "so " ? null : "stop" }] })),
      ),
    ),
  );
  await using completing = openLLM({ base_url: server.url });
  assert.deepEqual(await collect(completing.llm.stream("a prompt")), ["so ", "it is"]);
});

void test("the first text is there before the second was sent", async () => {
  const second = withResolvers<void>();
  await using server = await startScriptedServer(
    tgi(async (_request, response) => {
      begin(response);
      await second.promise;
      response.end(token(" bird") + last);
    }),
  );
  await using client = openLLM({ base_url: server.url });
  const seen: string[] = [];
  for await (const text of client.llm.stream("a prompt")) {
    seen.push(text);
    second.resolve();
  }
  assert.deepEqual(seen, ["a", " bird"]);
});

void test("a stream has the spec's parameters under its own, and a seed", async () => {
  await using server = await startScriptedServer(tgi((_request, response) => sendEvents(response, [token("a"), last])));
  await using client = openLLM({ base_url: server.url, generation_kwargs: { max_new_tokens: 5, top_k: 2, seed: 8 } });
  await collect(client.llm.stream("a prompt", { generationKwargs: { top_k: 3 } }));
  const parameters = server.requests.at(-1)?.body.parameters;
  assert.deepEqual([parameters.max_new_tokens, parameters.top_k, parameters.seed], [5, 3, 8]);
  await collect(client.llm.stream("a prompt", { seed: 9 }));
  assert.equal(server.requests.at(-1)?.body.parameters.seed, 9);
});

void test("each loop is a request of its own, and none is made before it", async () => {
  await using server = await startScriptedServer(tgi((_request, response) => sendEvents(response, [token("a"), last])));
  await using client = openLLM({ base_url: server.url });
  const texts = client.llm.stream("a prompt");
  assert.equal(server.requests.length, 0);
  assert.deepEqual([await collect(texts), await collect(texts)], [["a"], ["a"]]);
  assert.equal(server.requests.filter(({ method }) => method === "POST").length, 2);
});

void test("a server that answers in one piece gives one text", async () => {
  await using server = await startScriptedServer(
    tgi((_request, response) => sendJson(response, { generated_text: "whole" })),
  );
  await using client = openLLM({ base_url: server.url });
  assert.deepEqual(await collect(client.llm.stream("a prompt")), ["whole"]);
});

void test("an error comes after the texts before it, with its code, and then the end", async () => {
  const failed = event({ error: "Request failed during generation: x", error_type: "generation" });
  await using server = await startScriptedServer(
    tgi((_request, response) => sendEvents(response, [token("a"), token("b"), failed])),
  );
  await using client = openLLM({ base_url: server.url });
  const texts = client.llm.stream("a prompt")[Symbol.asyncIterator]();
  assert.deepEqual([(await texts.next()).value, (await texts.next()).value], ["a", "b"]);
  await assert.rejects(texts.next(), { code: "ENDPOINT_ERROR" });
  assert.equal((await texts.next()).done, true);

  server.script = tgi((_request, response) => sendJson(response, { error: "x" }, { status: 429 }));
  await assert.rejects(collect(client.llm.stream("a prompt")), { code: "ENDPOINT_SATURATED" });
  server.script = tgi((_request, response) => {
    begin(response);
    setImmediate(() => response.destroy());
  });
  await assert.rejects(collect(client.llm.stream("a prompt")), { code: "STREAM_TRUNCATED" });
  await assert.rejects(collect(client.llm.stream(conversation, { preQuery: true })), { code: "SPEC_INVALID" });
});

for (const how of ["break", "throw", "return while the next text is awaited", "the caller's signal"] as const) {
  void test(`${how} ends the request at the server`, async () => {
    const arrived = withResolvers<ServerResponse>();
    await using server = await startScriptedServer(
      tgi((_request, response) => {
        begin(response);
        arrived.resolve(response);
      }),
    );
    await using client = openLLM({ base_url: server.url });
    const controller = new AbortController();
    const texts = client.llm.stream("a prompt", { signal: controller.signal })[Symbol.asyncIterator]();
    assert.equal((await texts.next()).value, "a");
    const closed = once(await arrived.promise, "close");
    const reason = new Error("mine");
    if (how === "break") await texts.return?.();
    else if (how === "throw") await assert.rejects(texts.throw?.(reason) ?? Promise.resolve(), reason);
    else if (how === "the caller's signal") {
      const next = texts.next();
      controller.abort(reason);
      await assert.rejects(next, reason);
    } else {
      const next = texts.next();
      await texts.return?.();
      assert.equal((await next).done, true);
    }
    await closed;
    assert.equal((await texts.next()).done, true);
  });
}

void test("a signal that fired already sends nothing", async () => {
  await using server = await startScriptedServer(tgi((_request, response) => begin(response)));
  await using client = openLLM({ base_url: server.url });
  const signal = AbortSignal.abort(new Error("gone"));
  await assert.rejects(collect(client.llm.stream("a prompt", { signal })), /gone/);
  assert.equal(server.requests.length, 0);
});

void test("leaving 1,000 streams after their first text leaves no connection in use and no server generating", async () => {
  // The first of 200 texts comes after 50 ms, the last after 10 s: a stream that went on would end as `ok`, not `dropped`.
  await using simulator = await startSimulator({
    maxConcurrentRequests: 0,
    latency: { distribution: "fixed", medianMs: 10_000 },
    answerTokens: 200,
    streamWrites: 200,
  });
  // With the spare ones 100 connections: left streams that kept theirs would leave none for the later ones.
  await using client = openLLM({ base_url: simulator.url, slots: 92 });
  const first = async (texts: AsyncIterator<string>): Promise<void> => assert.notEqual((await texts.next()).value, "");
  const leaveTen = async (): Promise<void> => {
    for (let time = 0; time < 10; time++) {
      for await (const text of client.llm.stream("Tell of the magpie.")) {
        assert.notEqual(text, "");
        break;
      }
    }
  };
  await Promise.all(Array.from({ length: 100 }, leaveTen));
  while (simulator.stats().inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(simulator.stats().byOutcome, { dropped: 1_000 });

  const held = Array.from({ length: 100 }, () => client.llm.stream("Tell of it.")[Symbol.asyncIterator]());
  await Promise.all(held.map(first));
  assert.equal(simulator.stats().inFlight, 100);
  for (const texts of held) await texts.return?.();
});
