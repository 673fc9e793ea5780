import assert from "node:assert/strict";
import { test } from "node:test";
import { probeEndpoint } from "../../../jobs/probe-endpoint.ts";
import type { EndpointProbe, ProbedLLM } from "../../../jobs/probe-endpoint.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import { unknownServer } from "../../../worker/llms/recognise-server.ts";
import { sendJson, startScriptedServer } from "../../support/scripted-server.ts";
import type { ReceivedRequest, Script } from "../../support/scripted-server.ts";
import {
  container,
  llamaCpp,
  olderSglang,
  serving,
  sglang,
  SGLANG_INFO,
  tgi3,
  vllm,
} from "../../support/server-captures.ts";

interface Probed {
  readonly probe: EndpointProbe;
  readonly requests: readonly ReceivedRequest[];
}

async function probed(script: Script, llm: Partial<ProbedLLM> = {}): Promise<Probed> {
  await using server = await startScriptedServer(script);
  const probe = await probeEndpoint({ llm: { base_url: server.url, ...llm }, environment: { KEY: "k-123" } });
  // A port of chance has no place in what is compared.
  return { probe: { ...probe, endpoint: probe.endpoint.replace(server.url, "URL") }, requests: server.requests };
}

const linesOf = (requests: readonly ReceivedRequest[]) => requests.map(({ method, path }) => `${method} ${path}`);
const routesOf = ({ routes }: EndpointProbe) =>
  routes.map(({ path, takes, structuredOutput }) => `${path} ${takes} ${structuredOutput.join("+")}`);

const NONE = unknownServer(undefined).limits;

const kinds: readonly {
  readonly name: string;
  readonly script: Script;
  readonly expected: Partial<EndpointProbe>;
  readonly routes: readonly string[];
  readonly asked: readonly string[];
}[] = [
  {
    name: "TGI",
    script: tgi3,
    expected: {
      server: "tgi",
      serverVersion: "3.3.6",
      model: "bigscience/blomm-560m",
      revision: "e985a63cdc139290c5f700ff1929f0b5942cced2",
      limits: { ...NONE, maxConcurrentRequests: 128, maxInputTokens: 1024, maxTotalTokens: 2048, maxStopSequences: 4 },
    },
    routes: ["/v1/chat/completions messages json+regex", "/generate prompt json+regex"],
    asked: ["GET /info", "GET /info"],
  },
  {
    name: "vLLM",
    script: vllm,
    expected: {
      server: "vllm",
      serverVersion: "0.5.4",
      model: "meta-llama/Meta-Llama-3.1-8B-Instruct",
      revision: null,
      limits: { ...NONE, maxTotalTokens: 8096 },
    },
    routes: ["/v1/chat/completions messages json+regex", "/v1/completions prompt json+regex"],
    asked: ["GET /info", "GET /v1/models", "GET /version", "GET /info"],
  },
  {
    name: "SGLang",
    script: sglang,
    expected: {
      server: "sglang",
      serverVersion: "0.0.0.dev1+gf97c09dac",
      model: "qwen/qwen2.5-0.5b-instruct",
      revision: null,
      limits: { ...NONE, maxConcurrentRequests: 128, maxInputTokens: 20474, maxTotalTokens: 32768 },
    },
    routes: ["/v1/chat/completions messages json+regex", "/v1/completions prompt json+regex"],
    asked: ["GET /info", "GET /v1/models", "GET /server_info", "GET /info"],
  },
  {
    name: "llama.cpp's server",
    script: llamaCpp,
    expected: {
      server: "llamacpp",
      serverVersion: "b0-unknown",
      model: "smollm2",
      revision: null,
      limits: { ...NONE, maxConcurrentRequests: 4, maxTotalTokens: 1024 },
    },
    routes: ["/v1/chat/completions messages json", "/v1/completions prompt json"],
    asked: ["GET /info", "GET /v1/models", "GET /props", "GET /info"],
  },
  {
    name: "a gateway",
    script: serving({ "GET /v1/models": [200, { data: [{ id: "org/m", owned_by: "org" }] }] }, [404, "no"]),
    expected: {
      server: "openai",
      serverVersion: null,
      model: "org/m",
      revision: null,
      limits: NONE,
    },
    routes: ["/v1/chat/completions messages json"],
    asked: ["GET /info", "GET /v1/models", "GET /info"],
  },
  {
    name: "a container",
    script: container,
    expected: { server: "container", serverVersion: null, model: "unknown", revision: null },
    routes: ["/ prompt "],
    asked: ["GET /info", "GET /v1/models", "POST /", "GET /info"],
  },
  {
    name: "a chat server that lists nothing",
    script: serving({ "POST /v1/chat/completions": [400, { error: { message: "messages is required" } }] }, [404, {}]),
    expected: { server: "unknown", serverVersion: null, model: "unknown", revision: null },
    routes: ["/v1/chat/completions messages "],
    asked: ["GET /info", "GET /v1/models", "POST /", "POST /v1/chat/completions", "GET /info"],
  },
];

for (const { name, script, expected, routes, asked } of kinds) {
  void test(`${name} is probed by what it says of itself, and asked for nothing that it could generate`, async () => {
    const { probe, requests } = await probed(script);
    for (const [key, value] of Object.entries(expected)) {
      assert.deepEqual(probe[key as keyof EndpointProbe], value, key);
    }
    assert.deepEqual(routesOf(probe), routes);
    assert.deepEqual(linesOf(requests), asked);
    for (const { body } of requests) assert.ok(body === null || JSON.stringify(body) === "{}");
    assert.ok(probe.latencyMs > 0 && probe.endpoint === "URL" && probe.advice.length > 0);
  });
}

void test("an SGLang of before /server_info is asked by the older name, and its api_key never shows", async () => {
  const { probe } = await probed(olderSglang);
  assert.equal(probe.serverVersion, SGLANG_INFO.version);
  assert.ok(!JSON.stringify(probe).includes(SGLANG_INFO.api_key));
});

void test("a route for details that is closed or breaks leaves the details out", async () => {
  for (const answer of [401, 404, 500]) {
    const { probe } = await probed((request, response) =>
      request.path === "/version" ? sendJson(response, {}, { status: answer }) : vllm(request, response),
    );
    assert.deepEqual([probe.server, probe.serverVersion], ["vllm", null]);
  }
});

void test("the key goes along with every request and shows nowhere", async () => {
  const { probe, requests } = await probed(vllm, { api_key: "${KEY}" });
  assert.deepEqual([...new Set(requests.map(({ headers }) => headers.authorization))], ["Bearer k-123"]);
  assert.ok(!JSON.stringify(probe).includes("k-123"));
});

void test("a base URL's path is kept before every route, and its query does not show", async () => {
  await using server = await startScriptedServer((request, response) => {
    const path = request.path.replace("/team/a", "").replace("?key=q-9", "");
    return container({ ...request, path: path === "" ? "/" : path }, response);
  });
  const llm = { base_url: `${server.url}/team/a?key=q-9` };
  const probe = await probeEndpoint({ llm, environment: {} });
  assert.deepEqual(linesOf(server.requests), [
    "GET /team/a/info?key=q-9",
    "GET /team/a/v1/models?key=q-9",
    "POST /team/a?key=q-9",
    "GET /team/a/info?key=q-9",
  ]);
  assert.equal(probe.server, "container");
  assert.ok(!JSON.stringify(probe).includes("q-9"));
});

const page: Script = (_request, response) =>
  void response.writeHead(200, { "content-type": "text/html" }).end("<html><h1>Welcome</h1></html>");
const missing: Script = (_request, response) =>
  void response.writeHead(404, { "content-type": "text/html" }).end("<html><h1>404</h1></html>");

const refusals: readonly [what: string, script: Script, code: ErrorCode, message: RegExp][] = [
  ["a web page", page, "WRONG_SERVICE", /text\/html where JSON was expected/],
  ["a web server without such a page", missing, "WRONG_SERVICE", /has no OpenAI chat route \(404\)/],
  ["another service that answers in JSON", serving({}, [404, { error: "no route" }]), "WRONG_SERVICE", /\(404\)/],
  ["a redirect", serving({}, [308, ""]), "WRONG_SERVICE", /\(308\)/],
  ["a refused key", serving({}, [401, { error: "Unauthorized" }]), "UNAUTHORIZED", /refused the key \(401\)/],
  [
    "a server that loads its model",
    serving({}, [503, { error: { message: "Loading model", type: "unavailable_error", code: 503 } }]),
    "ENDPOINT_LOADING",
    /not ready yet \(503\): Loading model/,
  ],
  [
    "a chat server that lists nothing and refuses the key",
    serving({ "POST /v1/chat/completions": [403, { error: "no access" }] }, [404, {}]),
    "UNAUTHORIZED",
    /refused the key \(403\)/,
  ],
  [
    "several models and no word of which",
    serving({ "GET /v1/models": [200, { data: [{ id: "a" }, { id: "b" }] }] }, [404, ""]),
    "MODEL_NOT_FOUND",
    /serves 2 models; it lists a, b/,
  ],
];
for (const [what, script, code, message] of refusals) {
  void test(`${what} is ${code}`, async () => {
    await using server = await startScriptedServer(script);
    await assert.rejects(probeEndpoint({ llm: { base_url: server.url }, environment: {} }), { code, message });
  });
}

void test("a refused connection is ENDPOINT_UNREACHABLE", async () => {
  const server = await startScriptedServer(page);
  await server.close();
  await assert.rejects(probeEndpoint({ llm: { base_url: server.url }, environment: {} }), {
    code: "ENDPOINT_UNREACHABLE",
    message: /connection refused/,
  });
});

void test("what is no URL, a missing key and a wrong setting are usage errors before anything is asked", async () => {
  const cases: readonly [llm: ProbedLLM, code: ErrorCode][] = [
    [{ base_url: "localhost:8080" }, "SPEC_INVALID"],
    [{ base_url: "somewhere" }, "SPEC_INVALID"],
    [{ base_url: "http://127.0.0.1:1", api_key: "${ABSENT}" }, "SECRET_MISSING"],
    [{ base_url: "http://127.0.0.1:1", api_key: "sk-plain" }, "SPEC_INVALID"],
  ];
  for (const [llm, code] of cases) {
    await assert.rejects(probeEndpoint({ llm, environment: {} }), (error: Error & { code: string }) => {
      assert.equal(error.code, code);
      assert.ok(!error.message.includes("sk-plain"));
      return true;
    });
  }
});

void test("an abort ends a probe that waits", async () => {
  await using server = await startScriptedServer(() => {});
  const stop = new AbortController();
  const probing = probeEndpoint({ llm: { base_url: server.url }, environment: {}, signal: stop.signal });
  while (server.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  await assert.rejects(probing, { name: "AbortError" });
});
