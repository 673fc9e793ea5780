import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../../shared/errors.ts";
import { InferenceEndpointsLLM } from "../../../../../worker/llms/inference-endpoints-llm.ts";
import { HUB_TOKEN, startFakeHub } from "../../../../support/fake-hub.ts";
import type { FakeHub } from "../../../../support/fake-hub.ts";
import { chatAnswer, sendJson, startScriptedServer, tgi, TGI_INFO } from "../../../../support/scripted-server.ts";
import type { Script } from "../../../../support/scripted-server.ts";

const input = [{ role: "user", content: "hello" }];
/** As TGI names a model that was mounted into its container. */
const MOUNTED = { ...TGI_INFO, model_id: "/repository", model_sha: null };

function open(hub: FakeHub, more: Record<string, unknown> = {}): InferenceEndpointsLLM {
  return new InferenceEndpointsLLM({ endpoint_name: "writer", environment: hub.environment, ...more });
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

for (const [state, pattern] of [
  ["paused", /The endpoint ada\/writer is paused/],
  ["failed", /failed to start/],
  ["updateFailed", /could not be updated/],
] as const) {
  void test(`an endpoint that is ${state} stops at once, with what to do`, async () => {
    await using hub = await startFakeHub();
    hub.endpoints["ada/writer"] = { state, url: "http://127.0.0.1:1" };
    await using llm = open(hub);
    await assert.rejects(llm.load(), (error: unknown) => {
      assert.ok(isTidingError(error));
      assert.deepEqual([error.code, error.place], ["ENDPOINT_NOT_RUNNING", "ada/writer"]);
      assert.match(error.message, pattern);
      assert.match(error.mend ?? "", /https:\/\/endpoints\.huggingface\.co\/ada\/endpoints\/writer/);
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

for (const status of [502, 503]) {
  void test(`${status} to a call says that the endpoint is starting: no attempt is counted`, async () => {
    await using hub = await startFakeHub();
    let failures = 2;
    await using server = await startScriptedServer(
      tgi((request, response) => {
        if (failures-- > 0) return sendJson(response, {}, { status });
        return answers(request, response);
      }, MOUNTED),
    );
    hub.endpoints["ada/writer"] = { state: "running", url: server.url };
    await using llm = open(hub, { attempts: 1 });
    assert.equal((await llm.generate(input)).text, "hi");
  });
}

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
