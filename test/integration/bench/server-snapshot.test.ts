import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { snapshotServer } from "../../../bench/server/server-snapshot.ts";
import { compareSnapshots, serverDeltas } from "../../../bench/server/server-deltas.ts";
import { startSimulator } from "../../../bench/simulator/simulator.ts";
import { isTidingError } from "../../../shared/errors.ts";
import { startScriptedServer } from "../../support/scripted-server.ts";
import type { ScriptedServer } from "../../support/scripted-server.ts";

const headers = { accept: "*/*" };

async function fixture(name: string): Promise<string> {
  return await readFile(fileURLToPath(new URL(`../../../../test/fixtures/${name}`, import.meta.url)), "utf8");
}

/** A server that answers these routes, and 404 elsewhere. */
function serving(
  routes: Readonly<Record<string, readonly [status: number, type: string, body: string]>>,
): Promise<ScriptedServer> {
  return startScriptedServer(({ path }, response) => {
    const [status, type, body] = routes[path] ?? [404, "text/plain", "not here"];
    response.writeHead(status, { "content-type": type }).end(body);
  });
}

void test("what TGI's simulator counted between two snapshots is what it was sent", async () => {
  await using simulator = await startSimulator({ maxConcurrentRequests: 8 });
  const target = { url: `${simulator.url}/v1`, headers };
  const before = await snapshotServer(target);
  let words = 0;
  for (let index = 0; index < 5; index++) {
    const answer = await fetch(`${simulator.url}/generate`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ inputs: `one two three ${index}`, parameters: { max_new_tokens: 12, details: true } }),
    });
    const { details } = (await answer.json()) as { details: { generated_tokens: number } };
    words += details.generated_tokens;
  }
  const after = await snapshotServer(target);
  const { deltas, notes } = compareSnapshots(before, after);
  assert.deepEqual(notes, []);
  assert.equal(deltas?.kind, "tgi");
  assert.equal(deltas.requests_ok, 5);
  assert.equal(deltas.requests_failed, 0);
  assert.equal(deltas.prompt_tokens, 20);
  assert.equal(deltas.output_tokens, words);
  assert.ok(deltas.seconds > 0 && deltas.mean_e2e_ms !== undefined);
  assert.equal(before.identity?.server, "tgi");
  assert.equal(before.identity.maxConcurrentRequests, 8);
  assert.equal(before.identity.info["max_concurrent_requests"], 8);
});

void test("a simulator that was started again in between is noticed", async () => {
  const first = await startSimulator({});
  const { port } = new URL(first.url);
  await fetch(`${first.url}/generate`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"inputs":"a b"}',
  });
  const target = { url: first.url, headers };
  const before = await snapshotServer(target);
  await first.close();
  await using second = await startSimulator({ port: Number(port) });
  const { deltas, notes } = compareSnapshots(before, await snapshotServer(target));
  assert.equal(second.url, first.url);
  assert.equal(deltas, null);
  assert.match(notes.join(" "), /went back: it was restarted/);
});

for (const [status, reason] of [
  [404, "it has none"],
  [501, "it was started without them"],
  [401, "it asks for another key"],
  [500, "/metrics answers 500"],
] as const) {
  void test(`an endpoint whose /metrics answers ${status} has no differences, and a reason`, async () => {
    await using server = await serving({ "/metrics": [status, "text/plain", ""] });
    const snapshot = await snapshotServer({ url: server.url, headers });
    assert.equal(snapshot.samples, null);
    assert.ok(snapshot.missing.join(" ").includes(reason), snapshot.missing.join(" "));
    assert.equal(serverDeltas(snapshot, snapshot), null);
  });
}

void test("a web page, or text of no format, in place of metrics is told", async () => {
  await using page = await serving({ "/metrics": [200, "text/html", "<html>"] });
  assert.match((await snapshotServer({ url: page.url, headers })).missing.join(" "), /web page/);
  await using broken = await serving({ "/metrics": [200, "text/plain", "tgi_queue_size 0\ntgi_queue_size"] });
  assert.match((await snapshotServer({ url: broken.url, headers })).missing.join(" "), /Line 2 .* has no value/);
});

void test("a server that is gone has neither identity nor metrics, and no benchmark fails for it", async () => {
  const server = await serving({});
  await server.close();
  const snapshot = await snapshotServer({ url: server.url, headers });
  assert.equal(snapshot.identity, null);
  assert.equal(snapshot.samples, null);
  assert.match(snapshot.missing[0] ?? "", /could not be asked/);
});

void test("a snapshot ends with its signal's reason, and a URL that is none is refused", async () => {
  await using server = await startScriptedServer(() => {
    abort.abort(new Error("enough"));
  });
  const abort = new AbortController();
  await assert.rejects(snapshotServer({ url: server.url, headers }, abort.signal), /enough/);
  await assert.rejects(snapshotServer({ url: "ftp://h", headers }), (error) => isTidingError(error));
});

void test("headers travel with every request, and metrics lie beside /v1 as a key's query wants them", async () => {
  await using server = await serving({});
  await snapshotServer({ url: `${server.url}/v1/chat/completions?code=1`, headers: { authorization: "Bearer k" } });
  assert.deepEqual(
    server.requests.map(({ path }) => path),
    ["/metrics?code=1", "/info?code=1", "/v1/models?code=1"],
  );
  assert.ok(server.requests.every((request) => request.headers["authorization"] === "Bearer k"));
});

void test("vLLM, llama.cpp and SGLang are known by their list of models, and say their versions", async () => {
  const vllm = JSON.parse(await fixture("vllm/models.json")) as { response: { body: unknown } };
  const version = JSON.parse(await fixture("vllm/version.json")) as { response: { body: unknown } };
  const json = (body: unknown) => [200, "application/json", JSON.stringify(body)] as const;
  await using one = await serving({ "/v1/models": json(vllm.response.body), "/version": json(version.response.body) });
  const { identity } = await snapshotServer({ url: one.url, headers });
  assert.equal(identity?.server, "vllm");
  assert.match(identity.version ?? "", /^0\.32\.0/);

  const props = JSON.parse(await fixture("llama-cpp/props.json")) as unknown;
  const models = JSON.parse(await fixture("llama-cpp/models.json")) as unknown;
  await using two = await serving({ "/v1/models": json(models), "/props": json(props) });
  const llama = (await snapshotServer({ url: two.url, headers })).identity;
  assert.equal(llama?.server, "llamacpp");
  assert.equal(llama.maxConcurrentRequests, 4);
  assert.equal(llama.info["total_slots"], 4);
  assert.ok(!("chat_template" in llama.info) && !("model_path" in llama.info));

  const told = { version: "0.5.2", api_key: "sk-secret", max_running_requests: 64, tp_size: 2, tokenizer_path: "/x" };
  const list = { data: [{ id: "m", owned_by: "sglang", max_model_len: 4096 }] };
  await using three = await serving({ "/v1/models": json(list), "/server_info": json(told) });
  const sglang = (await snapshotServer({ url: three.url, headers })).identity;
  assert.equal(sglang?.server, "sglang");
  assert.equal(sglang.version, "0.5.2");
  assert.equal(sglang.maxConcurrentRequests, 64);
  assert.equal(sglang.info["tp_size"], 2);
  assert.ok(!JSON.stringify(sglang).includes("sk-secret"));
});
