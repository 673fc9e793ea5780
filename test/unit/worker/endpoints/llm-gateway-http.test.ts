import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { LLMSpec } from "../../../../shared/spec/job-spec.ts";
import type { LLMGatewayOptions } from "../../../../worker/endpoints/llm-gateway.ts";
import { InferenceEndpointsLLM } from "../../../../worker/llms/inference-endpoints-llm.ts";
import { openGateway, until } from "../../../support/open-gateway.ts";
import { chatAnswer, sendJson, startScriptedServer, tgi, TGI_INFO } from "../../../support/scripted-server.ts";
import type { Script, ScriptedServer } from "../../../support/scripted-server.ts";

const never = new AbortController().signal;
const answers: Script = (_request, response) => sendJson(response, chatAnswer("hi"));

function overHttp(
  servers: readonly ScriptedServer[],
  more: Partial<LLMGatewayOptions> = {},
  spec: Record<string, unknown> = {},
) {
  const base_url = servers.map(({ url }) => url);
  return openGateway(
    new InferenceEndpointsLLM(LLMSpec.parse({ base_url, ...spec }), { secret: () => "key", environment: {} }),
    more,
  );
}

void test("probing caps the slots at what TGI takes, and says so", async () => {
  await using server = await startScriptedServer(tgi(answers, { ...TGI_INFO, max_concurrent_requests: 3 }));
  await using world = overHttp([server], { slots: 8 });
  const [served] = await world.gateway.probe(never);
  assert.equal(served?.maxConcurrentRequests, 3);
  assert.match(served?.advice?.join() ?? "", /takes 3 requests at a time/);
  assert.equal(world.gateway.capacity, 3);
  assert.equal(world.gateway.endpoints()[0]?.slots, 3);
});

void test("endpoints that serve different models are a job error that names them", async () => {
  await using one = await startScriptedServer(tgi(answers));
  await using other = await startScriptedServer(tgi(answers, { ...TGI_INFO, model_id: "other/model" }));
  await using world = overHttp([one, other]);
  await assert.rejects(world.gateway.probe(never), { code: "MODEL_NOT_FOUND", message: /some\/model.*other\/model/ });
});

void test("probing goes on without endpoints that don't answer, and stops where all refuse", async () => {
  await using good = await startScriptedServer(tgi(answers));
  await using refusing = await startScriptedServer((_request, response) => sendJson(response, {}, { status: 401 }));
  await using mixed = overHttp([good, refusing]);
  assert.equal((await mixed.gateway.probe(never)).length, 1);
  assert.equal((await mixed.generate()).endpoint, good.url);
  await using alone = overHttp([refusing]);
  await assert.rejects(alone.gateway.probe(never), { code: "UNAUTHORIZED" });
});

void test("probing waits for a server that is not there yet, and gives up in the end", async () => {
  const gone = await startScriptedServer(answers);
  await gone.close();
  await using world = overHttp([gone], { endpointWaitMs: 10_000 });
  const probing = world.gateway.probe(never);
  await until("it is said what is waited for", () => /connection refused/.test(world.gateway.waitingFor() ?? ""));
  await using _back = await startScriptedServer(tgi(answers), gone.port);
  assert.equal((await probing)[0]?.model, "some/model");
  assert.equal((await world.generate()).text, "hi");
});

void test("probing gives up after the wait, and at once when it is aborted", async () => {
  const gone = await startScriptedServer(answers);
  await gone.close();
  await using brief = overHttp([gone], { endpointWaitMs: 50 });
  await assert.rejects(brief.gateway.probe(never), { code: "NO_ENDPOINT", message: /connection refused/ });
  await using patient = overHttp([gone]);
  const controller = new AbortController();
  const probing = patient.gateway.probe(controller.signal);
  await until("it waits", () => patient.gateway.waitingFor() !== null);
  controller.abort(new Error("stopped"));
  await assert.rejects(probing, /stopped/);
});

void test("a server that restarts loses no row and no attempt", async () => {
  const first = await startScriptedServer(tgi(answers));
  await using world = overHttp([first], { slots: 4, attempts: 2 });
  await world.gateway.probe(never);
  await world.generate();
  await first.close();
  const all = Array.from({ length: 12 }, () => world.generate());
  await until("the circuit opens", () => world.gateway.endpoints()[0]?.circuit === "open");
  await using _second = await startScriptedServer(tgi(answers), first.port);
  for (const { attempts } of await Promise.all(all)) assert.ok(attempts <= 2);
  assert.equal(world.gateway.endpoints()[0]?.circuit, "closed");
});

void test("a server that comes back with another model gets no rows", async () => {
  const first = await startScriptedServer(tgi(answers));
  await using world = overHttp([first]);
  await world.gateway.probe(never);
  await first.close();
  const answer = world.generate();
  await until("the circuit opens", () => world.gateway.endpoints()[0]?.circuit === "open");
  await using second = await startScriptedServer(tgi(answers, { ...TGI_INFO, model_id: "other/model" }), first.port);
  await assert.rejects(answer, { code: "MODEL_NOT_FOUND" });
  assert.ok(second.requests.every(({ method }) => method === "GET"));
});

void test("an outage of 502s costs no row", async () => {
  let isDown = true;
  await using server = await startScriptedServer(
    tgi((request, response) => (isDown ? void response.writeHead(502).end("<html>") : answers(request, response))),
  );
  await using world = overHttp([server], { slots: 16, attempts: 6, random: () => 0.5 });
  await world.gateway.probe(never);
  const all = Array.from({ length: 40 }, () => world.generate());
  await until("the circuit opens", () => world.gateway.endpoints()[0]?.circuit === "open");
  isDown = false;
  assert.equal((await Promise.all(all)).length, 40);
});

void test("TGI's overload within a 200 stream makes the row wait, not fail", async () => {
  let refusals = 3;
  await using server = await startScriptedServer(
    tgi((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const overloaded = { error: { message: "Model is overloaded", http_status_code: 422 } };
      const chunk = { choices: [{ delta: { content: "hi" }, finish_reason: "stop" }] };
      response.end(`data: ${JSON.stringify(refusals-- > 0 ? overloaded : chunk)}\n\ndata: [DONE]\n\n`);
    }),
  );
  await using world = overHttp([server], { attempts: 1 }, { stream: true });
  assert.equal((await world.generate()).attempts, 1);
  assert.equal(world.gateway.counts().retries["back-pressure"], 3);
});

void test("aborted requests end at the server", async () => {
  const closed: Promise<unknown>[] = [];
  await using server = await startScriptedServer(
    tgi((_request, response) => void closed.push(once(response, "close"))),
  );
  await using world = overHttp([server], { slots: 4 });
  const controller = new AbortController();
  const all = Promise.allSettled(Array.from({ length: 4 }, () => world.generate(controller.signal)));
  await until("all four arrived", () => closed.length === 4);
  controller.abort(new Error("gone"));
  await Promise.all(closed);
  await all;
  assert.equal(world.gateway.inUse, 0);
});
