import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../../shared/errors.ts";
import type { EndpointSettings } from "../../../../../worker/llms/hub/endpoint-settings.ts";
import { endpointPrice } from "../../../../../worker/llms/hub/endpoint-hardware.ts";
import { InferenceEndpoints } from "../../../../../worker/llms/hub/inference-endpoints.ts";
import { HUB_TOKEN, startFakeHub } from "../../../../support/fake-hub.ts";
import type { FakeHub } from "../../../../support/fake-hub.ts";
import { sendJson, startScriptedServer } from "../../../../support/scripted-server.ts";

function open(
  hub: FakeHub,
  more: { namespace?: string; environment?: Record<string, string> } = {},
): InferenceEndpoints {
  const { environment = {}, ...options } = more;
  return new InferenceEndpoints({ environment: { ...hub.environment, ...environment }, ...options });
}

/** What was ordered, whole. */
function orders(hub: FakeHub): unknown[] {
  return hub.server.requests
    .filter(({ method }) => method !== "GET")
    .map(({ method, path, body }) => ({ order: `${method} ${path}`, body: body as unknown }));
}

const writer: EndpointSettings = {
  name: "writer",
  repository: "org/writer-8b",
  vendor: "aws",
  region: "us-east-1",
  accelerator: "gpu",
  instanceType: "nvidia-a10g",
  instanceSize: "x1",
};

void test("an endpoint is created with what it was given, huggingface_hub's defaults, and no task that nobody named", async () => {
  await using hub = await startFakeHub();
  const created = await open(hub).create(writer);
  assert.deepEqual([created.namespace, created.name, created.state], ["ada", "writer", "pending"]);
  assert.deepEqual(orders(hub), [
    {
      order: "POST /v2/endpoint/ada",
      body: {
        name: "writer",
        type: "authenticated",
        accountId: null,
        provider: { vendor: "aws", region: "us-east-1" },
        compute: {
          accelerator: "gpu",
          instanceType: "nvidia-a10g",
          instanceSize: "x1",
          scaling: { minReplica: 1, maxReplica: 1, scaleToZeroTimeout: null },
        },
        model: { repository: "org/writer-8b", framework: "pytorch", revision: null, image: { huggingface: {} } },
      },
    },
  ]);
  const request = hub.server.requests.at(-1);
  assert.equal(request?.headers.authorization, `Bearer ${HUB_TOKEN}`);
  assert.equal(request?.headers["content-type"], "application/json");
});

void test("a container of one's own, its registry and its secrets are sent by their values, and never come back", async () => {
  await using hub = await startFakeHub();
  const service = open(hub, { namespace: "team", environment: { PASSWORD: "pw-canary", KEY: "key-canary" } });
  const created = await service.create({
    ...writer,
    revision: "c0ffee",
    framework: "custom",
    task: "text-generation",
    type: "public",
    maxReplica: 3,
    scaleToZeroMinutes: 15,
    image: {
      url: "vllm/vllm-openai:v0.12.0",
      healthRoute: "/health",
      port: 8000,
      credentials: { username: "ada", password: "${PASSWORD}" },
    },
    env: { MAX_BATCH_PREFILL_TOKENS: "2048" },
    secrets: { API_KEY: "${KEY}" },
  });
  const [order] = orders(hub) as { order: string; body: Record<string, object> }[];
  assert.equal(order?.order, "POST /v2/endpoint/team");
  assert.deepEqual(order.body["model"], {
    repository: "org/writer-8b",
    revision: "c0ffee",
    framework: "custom",
    task: "text-generation",
    image: {
      custom: {
        url: "vllm/vllm-openai:v0.12.0",
        healthRoute: "/health",
        port: 8000,
        credentials: { username: "ada", password: "pw-canary" },
      },
    },
    env: { MAX_BATCH_PREFILL_TOKENS: "2048" },
    secrets: { API_KEY: "key-canary" },
  });
  assert.deepEqual((order.body["compute"] as { scaling: object }).scaling, {
    minReplica: 0,
    maxReplica: 3,
    scaleToZeroTimeout: 15,
  });
  assert.deepEqual(created.image, { kind: "custom", url: "vllm/vllm-openai:v0.12.0" });
  assert.deepEqual(created.secretNames, ["API_KEY"]);
  assert.doesNotMatch(JSON.stringify([created, await service.get("writer")]), /canary|REDACTED/);
});

void test("an update sends what changes and nothing else", async () => {
  await using hub = await startFakeHub();
  hub.endpoints["ada/writer"] = { state: "running" };
  const service = open(hub);
  await service.update("writer", { maxReplica: 2 });
  await service.update("writer", { scaleToZeroMinutes: 30 });
  await service.update("writer", { scaleToZeroMinutes: null, instanceSize: "x4", accelerator: "gpu" });
  await service.update("writer", { revision: "beef", env: { A: "1" }, type: "private" });
  assert.deepEqual(
    orders(hub),
    [
      { compute: { scaling: { maxReplica: 2 } } },
      { compute: { scaling: { minReplica: 0, scaleToZeroTimeout: 30 } } },
      { compute: { accelerator: "gpu", instanceSize: "x4", scaling: { scaleToZeroTimeout: null } } },
      { type: "private", model: { revision: "beef", env: { A: "1" } } },
    ].map((body) => ({ order: "PUT /v2/endpoint/ada/writer", body })),
  );
  await assert.rejects(service.update("writer", {}), { code: "SPEC_INVALID", place: "changes" });
});

for (const [what, settings, place] of [
  ["a secret in place of its reference", { secrets: { KEY: "sk-canary" } }, "secrets.KEY"],
  [
    "a password in place of its reference",
    { image: { url: "i", credentials: { username: "u", password: "sk-canary" } } },
    "image.credentials.password",
  ],
  ["more replicas at least than at most", { minReplica: 3, maxReplica: 2 }, "minReplica"],
  ["replicas that scaling to zero would have to keep", { minReplica: 1, scaleToZeroMinutes: 15 }, "minReplica"],
] as const) {
  void test(`${what} is refused before anything is ordered, and not repeated`, async () => {
    await using hub = await startFakeHub();
    await assert.rejects(open(hub).create({ ...writer, ...settings }), (error: unknown) => {
      assert.ok(isTidingError(error));
      assert.deepEqual([error.code, error.place], ["SPEC_INVALID", place]);
      assert.doesNotMatch(`${error.message} ${error.mend}`, /canary/);
      return true;
    });
    assert.deepEqual(orders(hub), []);
  });
}

void test("pause, scale to zero and delete are orders without a body; resume leaves what runs as it is", async () => {
  await using hub = await startFakeHub();
  hub.endpoints["ada/writer"] = { state: "paused" };
  const service = open(hub);
  assert.equal((await service.resume("writer")).state, "pending");
  const states: string[] = [];
  for (let look = 0; look < 3; look++) states.push((await service.get("writer")).state);
  assert.deepEqual(states, ["initializing", "running", "running"]);
  assert.equal((await service.resume("writer")).state, "running");
  assert.equal((await service.scaleToZero("writer")).state, "scaledToZero");
  assert.equal((await service.pause("writer")).state, "paused");
  await service.delete("writer");
  assert.deepEqual(
    orders(hub),
    ["POST /resume", "POST /resume", "POST /scale-to-zero", "POST /pause", "DELETE "].map((text) => {
      const [method, route = ""] = text.split(" ");
      return { order: `${method} /v2/endpoint/ada/writer${route}`, body: null };
    }),
  );
  await assert.rejects(service.get("writer"), { code: "ENDPOINT_NOT_FOUND", place: "ada/writer" });
});

void test("a list of all passes over an organisation that refuses, and says so", async () => {
  await using hub = await startFakeHub();
  hub.user = { type: "user", name: "ada", orgs: [{ name: "closed" }, { name: "team" }] };
  hub.endpoints["ada/writer"] = { state: "running" };
  hub.endpoints["team/poet"] = { state: "aStateOfLaterYears", message: "soon" };
  hub.refusals["GET /endpoint/closed"] = [403, { error: "no access to closed" }];
  const { endpoints, refused } = await open(hub).list({ all: true });
  assert.deepEqual(
    endpoints.map(({ namespace, name, state, message }) => [namespace, name, state, message]),
    [
      ["ada", "writer", "running", null],
      ["team", "poet", "aStateOfLaterYears", "soon"],
    ],
  );
  assert.deepEqual(
    refused.map(({ namespace }) => namespace),
    ["closed"],
  );
  assert.match(refused[0]?.reason ?? "", /\(403\): no access to closed/);
  assert.equal((await open(hub, { namespace: "team" }).list()).endpoints.length, 1);
  hub.refusals["GET /endpoint/team"] = [500, {}];
  await assert.rejects(open(hub).list({ all: true }), { code: "ENDPOINT_ERROR" });
});

for (const [status, body, code, pattern] of [
  [
    400,
    { error: "Bad Request: instance nvidia-a10g x9 does not exist" },
    "ENDPOINT_ORDER_INVALID",
    /x9 does not exist/,
  ],
  [422, { error: { message: "model.task: unknown" } }, "ENDPOINT_ORDER_INVALID", /model\.task: unknown/],
  [401, { error: `Invalid token ${HUB_TOKEN}` }, "UNAUTHORIZED", /\(401\)\.$/],
  [403, { error: "Forbidden: missing write" }, "UNAUTHORIZED", /missing write/],
  [409, { error: "Conflict: name taken" }, "ENDPOINT_CONFLICT", /name taken/],
  [403, { error: "Quota exceeded: max 4 accelerators" }, "QUOTA_EXHAUSTED", /max 4 accelerators/],
  [400, { error: "You have exceeded your quota" }, "QUOTA_EXHAUSTED", /exceeded your quota/],
  [402, {}, "QUOTA_EXHAUSTED", /\(402\)\.$/],
  [429, { error: "slow down" }, "ENDPOINT_SATURATED", /slow down/],
  [500, {}, "ENDPOINT_ERROR", /\(500\)/],
  [307, {}, "WRONG_SERVICE", /\(307\)/],
] as const) {
  void test(`a refusal with ${status} ${JSON.stringify(body)} is ${code}`, async () => {
    await using hub = await startFakeHub();
    hub.refusals["POST /endpoint/ada"] = [status, body];
    await assert.rejects(open(hub).create(writer), (error: unknown) => {
      assert.ok(isTidingError(error));
      assert.equal(error.code, code);
      assert.match(error.message, pattern);
      assert.ok(!error.message.includes(HUB_TOKEN));
      if (status < 429 && status !== 307) assert.deepEqual([error.place, typeof error.mend], ["ada/writer", "string"]);
      return true;
    });
    assert.equal(orders(hub).length, 1);
  });
}

void test("what is refused with a secret in its words is quoted without it", async () => {
  await using hub = await startFakeHub();
  hub.refusals["POST /endpoint/ada"] = [400, { error: "secret key-canary is too short" }];
  const service = open(hub, { environment: { KEY: "key-canary" } });
  await assert.rejects(service.create({ ...writer, secrets: { API_KEY: "${KEY}" } }), {
    code: "ENDPOINT_ORDER_INVALID",
    message: /secret \[secret\] is too short/,
  });
});

void test("waiting ends when the endpoint runs, has a URL and is healthy, and tells each state once", async () => {
  await using hub = await startFakeHub();
  const statuses = [503, 503, 200];
  await using server = await startScriptedServer((_request, response) =>
    sendJson(response, {}, { status: statuses.shift() ?? 200 }),
  );
  hub.endpoints["ada/writer"] = {
    state: "pending",
    coming: ["initializing", "initializing", "aStateOfLaterYears", "updating", "running", "running"],
    healthRoute: "/ready",
  };
  const told: string[] = [];
  const service = open(hub);
  const waiting = service.wait("writer", {
    refreshMs: 5,
    onState: ({ state, url }, health) => {
      told.push(`${state} ${health}`);
      // It runs before its URL is known.
      if (state === "running" && url === null)
        hub.endpoints["ada/writer"] = { state, url: server.url, healthRoute: "/ready" };
    },
  });
  const ready = await waiting;
  assert.equal(ready.url, server.url);
  assert.deepEqual(told, [
    "initializing null",
    "aStateOfLaterYears null",
    "updating null",
    "running null",
    "running 503",
    "running 200",
  ]);
  assert.deepEqual(
    server.requests.map(({ method, path, headers }) => [method, path, headers.authorization]),
    Array.from({ length: 3 }, () => ["GET", "/ready", `Bearer ${HUB_TOKEN}`]),
  );
});

for (const [state, pattern, mend] of [
  ["failed", /failed to start: no such image/, /log at https:/],
  ["updateFailed", /could not be updated: no such image/, /log at https:/],
  ["paused", /is paused, and does not start by itself/, /tiding endpoints resume writer --namespace ada/],
  ["scaledToZero", /is scaled to zero, and does not start by itself/, /tiding endpoints resume writer --namespace ada/],
] as const) {
  void test(`waiting for an endpoint that is ${state} ends at once`, async () => {
    await using hub = await startFakeHub();
    hub.endpoints["ada/writer"] = { state, message: "no such image" };
    await assert.rejects(open(hub).wait("writer"), (error: unknown) => {
      assert.ok(isTidingError(error));
      assert.equal(error.code, "ENDPOINT_NOT_RUNNING");
      assert.match(error.message, pattern);
      assert.match(error.mend ?? "", mend);
      return true;
    });
  });
}

void test("an endpoint that was just resumed may be told to be paused for a while", async () => {
  await using hub = await startFakeHub();
  await using server = await startScriptedServer((_request, response) => sendJson(response, {}));
  hub.endpoints["ada/writer"] = { state: "paused", coming: ["paused", "scaledToZero", "running"], url: server.url };
  const ready = await open(hub).wait("writer", { refreshMs: 5, resumed: true });
  assert.equal(ready.state, "running");
});

void test("failures of the service that pass are waited out; the time limit says what was seen last", async () => {
  await using hub = await startFakeHub();
  hub.endpoints["ada/writer"] = { state: "initializing" };
  hub.refusals["GET /endpoint/ada/writer"] = [503, {}];
  const service = open(hub);
  await assert.rejects(service.wait("writer", { refreshMs: 5, timeoutMs: 40 }), {
    code: "ENDPOINT_LOADING",
    message: /not ready within 0\.04 s: .*\(503\)/,
  });
  delete hub.refusals["GET /endpoint/ada/writer"];
  await assert.rejects(service.wait("writer", { refreshMs: 5, timeoutMs: 40 }), { message: /: initializing\.$/ });
  hub.refusals["GET /endpoint/ada/writer"] = [403, {}];
  await assert.rejects(service.wait("writer", { refreshMs: 5 }), { code: "UNAUTHORIZED" });
});

void test("waiting ends with the signal's reason", async () => {
  await using hub = await startFakeHub();
  hub.endpoints["ada/writer"] = { state: "initializing" };
  const stop = new AbortController();
  const waiting = open(hub).wait("writer", { onState: () => stop.abort(), signal: stop.signal });
  await assert.rejects(waiting, { name: "AbortError" });
});

void test("hardware comes with prices, and what has no name is left out", async () => {
  await using hub = await startFakeHub();
  const offers = await open(hub).hardware();
  assert.deepEqual(
    offers.map(({ instanceType, instanceSize, pricePerHour }) => [instanceType, instanceSize, pricePerHour]),
    [
      ["nvidia-a10g", "x1", 1.25],
      ["nvidia-a10g", "x4", 5],
      ["intel-spr", "x2", null],
    ],
  );
  assert.deepEqual(offers[0]?.quota, { max: 4, used: 1 });
  await open(hub).create({ ...writer, maxReplica: 3 });
  const record = await open(hub).get("writer");
  assert.deepEqual(endpointPrice(record, offers), { perReplica: 1.25, now: 1.25, most: 3.75 });
  assert.equal(endpointPrice(record, []), null);
});

void test("without a token there is nothing to manage with; a token of nobody's needs a namespace", async () => {
  assert.throws(() => new InferenceEndpoints({ environment: { HF_HOME: "/nowhere" } }), { code: "SECRET_MISSING" });
  await using hub = await startFakeHub();
  hub.user = { type: "org", name: "team" };
  await assert.rejects(open(hub).get("writer"), { code: "SPEC_INVALID" });
  hub.endpoints["team/writer"] = { state: "running" };
  assert.equal((await open(hub, { namespace: "team" }).get("writer")).state, "running");
});
