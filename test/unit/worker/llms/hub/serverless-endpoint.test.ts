import assert from "node:assert/strict";
import { test } from "node:test";
import { LLMSpec } from "../../../../../shared/spec/job-spec.ts";
import { InferenceEndpointsLLM } from "../../../../../worker/llms/inference-endpoints-llm.ts";
import { providerRoute } from "../../../../../worker/llms/hub/provider-route.ts";
import { ServerlessEndpoint } from "../../../../../worker/llms/hub/serverless-endpoint.ts";
import { HUB_TOKEN, startFakeHub } from "../../../../support/fake-hub.ts";
import type { FakeHub } from "../../../../support/fake-hub.ts";
import { event, sendEvents } from "../../../../support/inference-llm.ts";
import { chatAnswer, sendJson } from "../../../../support/scripted-server.ts";
import type { Script } from "../../../../support/scripted-server.ts";

const input = [{ role: "user", content: "hello" }];
const MODEL = "org/model-8b";
const answers: Script = (_request, response) => sendJson(response, chatAnswer("hi", { model: "served-by-someone" }));
/** As the Hub writes it for `?expand[]=inferenceProviderMapping`. */
const MAPPING = {
  together: { providerId: "Org/Model-8B-Turbo", status: "live", task: "conversational" },
  novita: { providerId: "org/model-8b-fp8", status: "live", task: "conversational" },
  "fal-ai": { providerId: "painter", status: "live", task: "text-to-image" },
  cerebras: { providerId: "model-8b", status: "error", task: "conversational" },
};

async function startHub(route: Script = answers): Promise<FakeHub> {
  const hub = await startFakeHub(route);
  hub.models[MODEL] = MAPPING;
  return hub;
}

function open(hub: FakeHub, more: Record<string, unknown> = {}): InferenceEndpointsLLM {
  return new InferenceEndpointsLLM({ model_id: MODEL, environment: hub.environment, ...more });
}

void test("a model alone is asked of the Hub's router over OpenAI chat, once the Hub said that it is served", async () => {
  await using hub = await startHub();
  await using llm = open(hub, { bill_to: "team", generation_kwargs: { max_new_tokens: 9 } });
  const [served] = await llm.load();
  assert.deepEqual(served, { server: "openai", model: MODEL, revision: null });
  assert.equal(hub.calls.length, 0);
  assert.equal((await llm.generate(input)).text, "hi");
  const [call] = hub.calls;
  assert.equal(call?.path, "/router/v1/chat/completions");
  assert.equal(call?.headers.authorization, `Bearer ${HUB_TOKEN}`);
  assert.equal(call?.headers["x-hf-bill-to"], "team");
  const { seed, ...body } = (call?.body ?? {}) as Record<string, unknown>;
  assert.equal(typeof seed, "number");
  assert.deepEqual(body, { model: MODEL, max_tokens: 9, messages: input });
  assert.equal(llm.modelName, MODEL);
});

void test("a policy or a provider behind the model's name goes to the router as it stands", async () => {
  await using hub = await startHub();
  await using llm = open(hub, { model_id: `${MODEL}:fastest`, provider: "auto" });
  await llm.generate(input);
  assert.equal(hub.calls[0]?.body.model, `${MODEL}:fastest`);
});

void test("a named provider is asked on its own route, for the model by the provider's name", async () => {
  await using hub = await startHub();
  await using together = open(hub, { provider: "together", generation_kwargs: { temperature: 0.5 } });
  await using novita = open(hub, { provider: "novita" });
  await together.generate(input);
  await novita.generate(input);
  const [first, second] = hub.calls;
  assert.equal(first?.path, "/router/together/v1/chat/completions");
  assert.equal(first?.headers.authorization, `Bearer ${HUB_TOKEN}`);
  assert.equal(first?.body.model, "Org/Model-8B-Turbo");
  assert.equal(first?.body.temperature, 0.5);
  assert.deepEqual(first?.body.messages, input);
  assert.equal(second?.path, "/router/novita/v3/openai/chat/completions");
  assert.equal(second?.body.model, "org/model-8b-fp8");
});

void test("a provider's own words for structured output are used", async () => {
  await using hub = await startHub((_request, response) => sendJson(response, chatAnswer('{"a":1}')));
  const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] };
  const structured_output = { format: "json", schema };
  await using together = open(hub, { provider: "together", structured_output });
  await using auto = open(hub, { structured_output });
  await together.generate(input);
  await auto.generate(input);
  assert.deepEqual(hub.calls[0]?.body.response_format, { type: "json_schema", schema });
  assert.deepEqual(hub.calls[1]?.body.response_format, {
    type: "json_schema",
    json_schema: { name: "answer", strict: true, schema },
  });
});

void test("answers of a provider stream", async () => {
  const delta = (content: string, finish_reason: string | null = null): string =>
    event({ choices: [{ index: 0, delta: { content }, finish_reason }] });
  await using hub = await startHub((_request, response) =>
    sendEvents(response, [delta("He"), delta("llo", "stop"), "data: [DONE]\n\n"]),
  );
  await using llm = open(hub, { provider: "together" });
  const texts: string[] = [];
  for await (const text of llm.stream(input)) texts.push(text);
  assert.deepEqual(texts, ["He", "llo"]);
  assert.equal(hub.calls[0]?.body.stream, true);
});

void test("the Hub's newer form of its list of providers is read as well", async () => {
  await using hub = await startHub();
  hub.models[MODEL] = Object.entries(MAPPING).map(([provider, entry]) => ({ provider, ...entry }));
  await using llm = open(hub, { provider: "together" });
  await llm.generate(input);
  assert.equal(hub.calls[0]?.body.model, "Org/Model-8B-Turbo");
});

void test("a model that was renamed is found under its new name", async () => {
  await using hub = await startHub();
  const { script } = hub.server;
  hub.server.script = (request, response) => {
    if (!request.path.startsWith("/api/models/org/old-name")) return script(request, response);
    response.writeHead(307, { location: `/api/models/${MODEL}?expand[]=inferenceProviderMapping` }).end();
  };
  await using llm = open(hub, { model_id: "org/old-name", provider: "together" });
  await llm.generate(input);
  assert.equal(hub.calls[0]?.body.model, "Org/Model-8B-Turbo");
});

void test("Hugging Face's token goes by its router, and a provider's own key to the provider itself", async () => {
  const together = { provider: "together", providerId: "m", status: "live", task: "conversational" };
  const options = { model: MODEL, router: "https://router.huggingface.co" };
  const routed = await providerRoute(together, { ...options, hasProviderKey: false });
  const direct = await providerRoute(together, { ...options, hasProviderKey: true });
  assert.equal(routed.url.href, "https://router.huggingface.co/together/v1/chat/completions");
  assert.equal(direct.url.href, "https://api.together.xyz/v1/chat/completions");
});

void test("a token of Hugging Face's is never taken for a provider's key, and a provider's key never sent to the Hub", async () => {
  await using hub = await startHub();
  await using ours = open(hub, { provider: "together", environment: { ...hub.environment, HF_TOKEN: "other-kind" } });
  await assert.rejects(ours.load(), { code: "MODEL_NOT_FOUND" });
  await using theirs = open(hub, { provider: "together", api_key: "provider-key" });
  await assert.rejects(theirs.load(), { code: "MODEL_NOT_FOUND" });
  const keys = hub.server.requests.map(({ headers }) => headers.authorization);
  assert.deepEqual(keys, ["Bearer other-kind", undefined]);
});

const refused: Record<string, [options: Record<string, unknown>, error: Record<string, unknown>]> = {
  "a model that the Hub does not show": [
    { model_id: "org/nothing" },
    { code: "MODEL_NOT_FOUND", place: "model_id", message: "The Hub shows no model org/nothing (404)." },
  ],
  "a model that nobody serves": [
    { model_id: "org/unserved" },
    { code: "MODEL_NOT_FOUND", message: /No inference provider .* org\/unserved/ },
  ],
  "a provider that lacks the model": [
    { provider: "groq" },
    { code: "MODEL_NOT_FOUND", place: "provider", message: /groq does not serve .*; together, novita, mystery do\./ },
  ],
  "a provider whose serving failed": [{ provider: "cerebras" }, { code: "MODEL_NOT_FOUND" }],
  "a provider that the library does not know": [
    { provider: "mystery" },
    { code: "SPEC_INVALID", place: "provider", message: /mystery/ },
  ],
};
for (const [what, [options, error]] of Object.entries(refused)) {
  void test(`${what} is refused before any call`, async () => {
    await using hub = await startHub();
    hub.models[MODEL] = { ...MAPPING, mystery: { providerId: "m", status: "live", task: "conversational" } };
    hub.models["org/unserved"] = {};
    await using llm = open(hub, options);
    await assert.rejects(llm.load(), error);
    assert.equal(hub.calls.length, 0);
  });
}

const failures: Record<string, [status: number, body: unknown, code: string]> = {
  "a model that the router does not have": [
    400,
    { error: { message: "The requested model does not exist.", code: "model_not_supported" } },
    "MODEL_NOT_FOUND",
  ],
  "a refused key": [401, { error: "Invalid credentials" }, "UNAUTHORIZED"],
  "credit that is used up": [402, { error: "You have exceeded your monthly included credits" }, "QUOTA_EXHAUSTED"],
};
for (const [what, [status, body, code]] of Object.entries(failures)) {
  void test(`${what} has the code ${code}, whichever way the call went`, async () => {
    await using hub = await startHub((_request, response) => sendJson(response, body, { status }));
    for (const provider of ["auto", "together"]) {
      await using llm = open(hub, { provider });
      await assert.rejects(llm.generate(input), { code });
    }
  });
}

void test("429 and 503 are tried again by the gateway alone", async () => {
  let asked = 0;
  await using hub = await startHub((request, response) => {
    asked++;
    if (asked === 1) return sendJson(response, { error: "Rate limit reached" }, { status: 429 });
    if (asked === 2) return sendJson(response, {}, { status: 503 });
    return answers(request, response);
  });
  await using llm = open(hub, { provider: "together" });
  assert.equal((await llm.generate(input)).text, "hi");
  assert.equal(asked, 3);
});

void test("tokenizer_id beside a model alone is not loaded: conversations and texts go to the router as they are", async () => {
  await using hub = await startHub();
  await using llm = open(hub, { tokenizer_id: MODEL });
  await llm.generate(input);
  await llm.generate("hello");
  assert.deepEqual(
    hub.calls.map(({ body }) => body.messages as unknown),
    [input, input],
  );
  assert.ok(hub.server.requests.every(({ path }) => !path.includes("/resolve/")));
});

void test("a token of Hugging Face's own goes to no third party, whatever it begins with", async () => {
  await using hub = await startHub();
  const old = "api_of_older_days";
  hub.token = old;
  await using llm = open(hub, {
    provider: "together",
    api_key: old,
    environment: { ...hub.environment, HF_TOKEN: old },
  });
  await llm.generate(input);
  assert.match(hub.calls[0]?.path ?? "", /^\/router\/together\//);
});

void test("an endpoint that is closed while the Hub is asked opens no connection any more", async () => {
  await using hub = await startHub();
  const spec = LLMSpec.parse({ model_id: MODEL });
  const endpoint = new ServerlessEndpoint(spec, { secret: () => HUB_TOKEN, environment: hub.environment });
  const { script } = hub.server;
  hub.server.script = async (request, response) => {
    await endpoint.close();
    await script(request, response);
  };
  await assert.rejects(endpoint.find({ turnEnds: [], signal: new AbortController().signal }), { name: "AbortError" });
});
