import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../../shared/errors.ts";
import { LLMSpec } from "../../../../../shared/spec/job-spec.ts";
import type { ResponseContext } from "../../../../../worker/llms/classify-response.ts";
import { DedicatedEndpoint } from "../../../../../worker/llms/hub/dedicated-endpoint.ts";
import { InferenceEndpointsLLM } from "../../../../../worker/llms/inference-endpoints-llm.ts";
import { HUB_TOKEN, startFakeHub } from "../../../../support/fake-hub.ts";
import type { FakeHub } from "../../../../support/fake-hub.ts";
import { chatAnswer, sendJson, startScriptedServer, tgi, TGI_INFO } from "../../../../support/scripted-server.ts";
import type { Script } from "../../../../support/scripted-server.ts";

const input = [{ role: "user", content: "hello" }];
const never = new AbortController().signal;
/** As TGI names a model that was mounted into its container. */
const MOUNTED = { ...TGI_INFO, model_id: "/repository", model_sha: null };

function open(hub: FakeHub, more: Record<string, unknown> = {}): InferenceEndpointsLLM {
  return new InferenceEndpointsLLM({ endpoint_name: "writer", environment: hub.environment, ...more });
}

function openEndpoint(hub: FakeHub): { readonly endpoint: DedicatedEndpoint; readonly context: ResponseContext } {
  const spec = LLMSpec.parse({ endpoint_name: "writer", endpoint_namespace: "ada" });
  const endpoint = new DedicatedEndpoint(spec, { secret: () => HUB_TOKEN, environment: hub.environment });
  return { endpoint, context: { endpoint: endpoint.name, model: null, input, secrets: [] } };
}

const answers: Script = (_request, response) => sendJson(response, chatAnswer("hi"));

void test("an endpoint is looked up by name, of the token's user, and called with the token; its repository is the model", async () => {
  await using hub = await startFakeHub();
  await using server = await startScriptedServer(tgi(answers, MOUNTED));
  hub.endpoints["ada/writer"] = { state: "running", url: server.url, repository: "org/writer-8b", revision: "c0ffee" };
  await using llm = open(hub);
  const [served] = await llm.load();
  assert.deepEqual([served?.server, served?.model, served?.revision], ["tgi", "org/writer-8b", "c0ffee"]);
  assert.equal(llm.modelName, "org/writer-8b");
  assert.equal((await llm.generate(input)).text, "hi");
  const call = server.requests.find(({ method }) => method === "POST");
  assert.equal(call?.headers.authorization, `Bearer ${HUB_TOKEN}`);
  assert.equal(call?.body.model, "tgi");
});

void test("endpoint_namespace says whose it is, and api_key comes before HF_TOKEN", async () => {
  await using hub = await startFakeHub();
  await using server = await startScriptedServer(tgi(answers, MOUNTED));
  hub.endpoints["team/writer"] = { state: "running", url: server.url };
  const environment = { ...hub.environment, HF_TOKEN: "hf_other" };
  await using llm = open(hub, { endpoint_namespace: "team", api_key: HUB_TOKEN, environment });
  assert.deepEqual(llm.endpoints, ["team/writer"]);
  await llm.generate(input);
  assert.ok(hub.server.requests.every(({ path }) => path === "/v2/endpoint/team/writer"));
});

void test("a base_url beside endpoint_name is not used, and the user is told", async () => {
  await using hub = await startFakeHub();
  await using server = await startScriptedServer(tgi(answers, MOUNTED));
  hub.endpoints["ada/writer"] = { state: "running", url: server.url };
  await using llm = open(hub, { base_url: "http://127.0.0.1:1" });
  const [served] = await llm.load();
  assert.match(served?.advice?.join(" ") ?? "", /base_url is not used/);
});

const PAGE = /https:\/\/endpoints\.huggingface\.co\/ada\/endpoints\/writer/;
for (const [state, pattern, mend] of [
  ["paused", /The endpoint ada\/writer is paused/, /tiding endpoints resume writer --namespace ada.*ensure: running/],
  ["failed", /failed to start/, PAGE],
  ["updateFailed", /could not be updated/, PAGE],
] as const) {
  void test(`an endpoint that is ${state} stops at once, with what to do`, async () => {
    await using hub = await startFakeHub();
    hub.endpoints["ada/writer"] = { state, url: "http://127.0.0.1:1" };
    await using llm = open(hub);
    await assert.rejects(llm.load(), (error: unknown) => {
      assert.ok(isTidingError(error));
      assert.deepEqual([error.code, error.place], ["ENDPOINT_NOT_RUNNING", "ada/writer"]);
      assert.match(error.message, pattern);
      assert.match(error.mend ?? "", mend);
      return true;
    });
    assert.equal(hub.server.requests.filter(({ path }) => path.startsWith("/v2/")).length, 1);
  });
}

void test("an endpoint that does not exist is named", async () => {
  await using hub = await startFakeHub();
  await using llm = open(hub);
  await assert.rejects(llm.load(), {
    code: "ENDPOINT_NOT_RUNNING",
    message: "Hugging Face knows no endpoint writer of ada.",
  });
});

for (const state of ["pending", "initializing", "updating", "aStateOfLaterYears"]) {
  void test(`an endpoint that is ${state} is waited for`, async () => {
    await using hub = await startFakeHub();
    await using server = await startScriptedServer(tgi(answers, MOUNTED));
    hub.endpoints["ada/writer"] = { state, url: server.url };
    await using llm = open(hub);
    const { script } = hub.server;
    let lookUps = 0;
    hub.server.script = (request, response) => {
      if (request.path.startsWith("/v2/") && ++lookUps === 2) {
        hub.endpoints["ada/writer"] = { state: "running", url: server.url };
      }
      return script(request, response);
    };
    await llm.load();
    assert.equal(lookUps, 2);
  });
}

void test("waiting ends with endpoint_wait, and says what for", async () => {
  await using hub = await startFakeHub();
  hub.endpoints["ada/writer"] = { state: "initializing" };
  await using llm = open(hub, { endpoint_wait: 0.2 });
  await assert.rejects(llm.load(), { code: "NO_ENDPOINT", message: /not ready yet \(initializing\)/ });
});

void test("an endpoint that is scaled to zero is woken by being called", async () => {
  await using hub = await startFakeHub();
  let asked = 0;
  await using server = await startScriptedServer((request, response) => {
    asked++;
    if (asked <= 3) return sendJson(response, { error: "502 Bad Gateway" }, { status: asked === 3 ? 503 : 502 });
    return tgi(answers, MOUNTED)(request, response);
  });
  hub.endpoints["ada/writer"] = { state: "scaledToZero", url: server.url };
  await using llm = open(hub);
  assert.equal((await llm.generate(input)).text, "hi");
  assert.ok(asked > 3);
});

/** Answers calls with `status` until it is told to stop; every other route as TGI. */
function failingCalls(status: number): { readonly script: Script; isBroken: boolean; calls: number } {
  const failing = {
    isBroken: true,
    calls: 0,
    script: tgi((request, response): void | Promise<void> => {
      failing.calls++;
      return failing.isBroken ? sendJson(response, {}, { status }) : answers(request, response);
    }, MOUNTED),
  };
  return failing;
}

const lookUps = (hub: FakeHub): number => hub.server.requests.filter(({ path }) => path.startsWith("/v2/")).length;

for (const status of [502, 503]) {
  void test(`${status} to a call of an endpoint that runs is the server's own: a row that breaks it runs out of attempts`, async () => {
    await using hub = await startFakeHub();
    const failing = failingCalls(status);
    await using server = await startScriptedServer(failing.script);
    hub.endpoints["ada/writer"] = { state: "running", url: server.url };
    await using llm = open(hub, { attempts: 2 });
    await assert.rejects(llm.generate(input), { code: "ENDPOINT_ERROR" });
    assert.equal(failing.calls, 2);
    failing.isBroken = false;
    assert.equal((await llm.generate(input)).text, "hi");
  });

  for (const state of ["scaledToZero", "initializing"]) {
    void test(`${status} to a call of an endpoint that is ${state} is waited out: no attempt is counted`, async () => {
      await using hub = await startFakeHub();
      const failing = failingCalls(status);
      await using server = await startScriptedServer(failing.script);
      hub.endpoints["ada/writer"] = { state: "running", url: server.url };
      await using llm = open(hub, { attempts: 1 });
      await llm.load();
      hub.endpoints["ada/writer"] = { state, url: server.url };
      const { script } = hub.server;
      hub.server.script = async (request, response) => {
        await script(request, response);
        // The first look-up was the call's; by the next one, which finds the server, it is there.
        failing.isBroken = false;
        hub.endpoints["ada/writer"] = { state: "running", url: server.url };
      };
      assert.equal((await llm.generate(input)).text, "hi");
      assert.equal(failing.calls, 2);
    });
  }
}

void test("502 to a call of an endpoint that was paused since stops, with what to do", async () => {
  await using hub = await startFakeHub();
  await using server = await startScriptedServer(failingCalls(502).script);
  hub.endpoints["ada/writer"] = { state: "running", url: server.url };
  await using llm = open(hub);
  await llm.load();
  hub.endpoints["ada/writer"] = { state: "paused", url: server.url };
  await assert.rejects(llm.generate(input), { code: "ENDPOINT_NOT_RUNNING", message: /is paused/ });
});

void test("502 from where an endpoint was is not charged to the call, which goes to where it is", async () => {
  await using hub = await startFakeHub();
  await using old = await startScriptedServer(failingCalls(502).script);
  await using moved = await startScriptedServer(tgi(answers, MOUNTED));
  hub.endpoints["ada/writer"] = { state: "running", url: old.url };
  await using llm = open(hub, { attempts: 1 });
  await llm.load();
  hub.endpoints["ada/writer"] = { state: "running", url: moved.url };
  assert.equal((await llm.generate(input)).text, "hi");
});

void test("where nobody says whether the endpoint runs, 502 to a call counts as the server's own", async () => {
  await using hub = await startFakeHub();
  await using server = await startScriptedServer(failingCalls(502).script);
  hub.endpoints["ada/writer"] = { state: "running", url: server.url };
  await using llm = open(hub, { attempts: 1 });
  await llm.load();
  hub.server.script = (_request, response) => sendJson(response, {}, { status: 500 });
  await assert.rejects(llm.generate(input), (error: unknown) => {
    assert.ok(isTidingError(error));
    assert.equal(error.code, "ENDPOINT_ERROR");
    assert.match(error.message, /\(502\).*whether it runs: .*\(500\)/);
    return true;
  });
});

void test("calls that fail together ask for the state once, and each leaves by its own signal", async () => {
  await using hub = await startFakeHub();
  await using server = await startScriptedServer(tgi(answers, MOUNTED));
  hub.endpoints["ada/writer"] = { state: "running", url: server.url };
  const { endpoint, context } = openEndpoint(hub);
  const { errorOf } = await endpoint.find({ turnEnds: [], signal: never });
  const before = lookUps(hub);
  const leaving = new AbortController();
  const { script } = hub.server;
  hub.server.script = (request, response) => {
    leaving.abort(new Error("left"));
    return script(request, response);
  };
  const answer = { status: 503, headers: {}, text: "" };
  const [left, ...stayed] = await Promise.allSettled(
    [leaving.signal, never, never].map(async (signal) => await errorOf(answer, context, signal)),
  );
  assert.deepEqual(left, { status: "rejected", reason: leaving.signal.reason as unknown });
  assert.deepEqual(
    stayed.map((outcome) => outcome.status === "fulfilled" && outcome.value.code),
    ["ENDPOINT_ERROR", "ENDPOINT_ERROR"],
  );
  assert.equal(lookUps(hub) - before, 1);
  await endpoint.close();
});

void test("an endpoint that is closed while it is looked up opens no connection any more", async () => {
  await using hub = await startFakeHub();
  await using server = await startScriptedServer(tgi(answers, MOUNTED));
  hub.endpoints["ada/writer"] = { state: "running", url: server.url };
  const { endpoint } = openEndpoint(hub);
  const { script } = hub.server;
  hub.server.script = async (request, response) => {
    await endpoint.close();
    await script(request, response);
  };
  await assert.rejects(endpoint.find({ turnEnds: [], signal: never }), { name: "AbortError" });
  assert.deepEqual([server.requests.length, server.connections], [0, 0]);
});

void test("500 to a call is the server's own error, and so is a 503 that says to come again", async () => {
  await using hub = await startFakeHub();
  await using server = await startScriptedServer(
    tgi((_request, response) => sendJson(response, { error: "boom" }, { status: 500 }), MOUNTED),
  );
  hub.endpoints["ada/writer"] = { state: "running", url: server.url };
  await using llm = open(hub, { attempts: 1 });
  await assert.rejects(llm.generate(input), { code: "ENDPOINT_ERROR" });
});

void test("an endpoint that moved is found at its new URL when it is probed again", async () => {
  await using hub = await startFakeHub();
  await using old = await startScriptedServer(tgi(answers, MOUNTED));
  await using moved = await startScriptedServer(
    tgi((_request, response) => sendJson(response, chatAnswer("from the new place")), MOUNTED),
  );
  hub.endpoints["ada/writer"] = { state: "running", url: old.url };
  await using llm = open(hub);
  await llm.load();
  hub.endpoints["ada/writer"] = { state: "running", url: moved.url };
  await old.close();
  assert.equal((await llm.generate(input)).text, "from the new place");
});

void test("a refused token is UNAUTHORIZED, without the token in the message", async () => {
  await using hub = await startFakeHub();
  await using llm = open(hub, { api_key: "hf_wrong" });
  await assert.rejects(llm.load(), (error: unknown) => {
    assert.ok(isTidingError(error));
    assert.equal(error.code, "UNAUTHORIZED");
    assert.doesNotMatch(`${error.message} ${error.mend} ${error.rawResponse}`, /hf_wrong/);
    return true;
  });
});

void test("a token that is no user's needs endpoint_namespace", async () => {
  await using hub = await startFakeHub();
  hub.user = { type: "org", name: "team" };
  await using llm = open(hub);
  await assert.rejects(llm.load(), { code: "SPEC_INVALID", place: "endpoint_namespace" });
});

void test("without any token nothing is asked", () => {
  assert.throws(() => new InferenceEndpointsLLM({ endpoint_name: "writer", environment: { HF_HOME: "/nowhere" } }), {
    code: "SECRET_MISSING",
    place: "HF_TOKEN",
  });
});

void test("an address of Hugging Face's services that is no URL is refused by its variable", async () => {
  await using hub = await startFakeHub();
  const environment = { ...hub.environment, HF_ENDPOINTS_URL: "somewhere" };
  assert.throws(() => open(hub, { environment }), { code: "SPEC_INVALID", place: "HF_ENDPOINTS_URL" });
});
