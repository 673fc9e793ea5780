import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { imageFor } from "../../../../../bench/simulator/image.ts";
import { isTidingError } from "../../../../../shared/errors.ts";
import type { TidingError } from "../../../../../shared/errors.ts";
import { LLMSpec } from "../../../../../shared/spec/job-spec.ts";
import type { Generation, LLMInput } from "../../../../../shared/task/task.ts";
import { ImageEndpointsLLM } from "../../../../../worker/llms/images/image-endpoints-llm.ts";
import { HUB_TOKEN, startFakeHub } from "../../../../support/fake-hub.ts";
import { listing, unlisted } from "../../../../support/inference-llm.ts";
import { sendJson, startScriptedServer, tgi } from "../../../../support/scripted-server.ts";
import type { Script } from "../../../../support/scripted-server.ts";

const PNG = imageFor("a cat", 1);
const BASE64 = PNG.toString("base64");
const JPEG = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3]);
const WEBP = Buffer.from("RIFF\x07\0\0\0WEBPVP8 ", "latin1");
const GIF = Buffer.from("GIF89a\x01\0\x01\0", "latin1");

interface Asked {
  readonly url: string;
  readonly spec?: Record<string, unknown>;
  readonly input?: LLMInput;
  readonly environment?: Readonly<Record<string, string>>;
}

async function ask({ url, spec = {}, input = "a cat", environment = {} }: Asked): Promise<Generation> {
  const parsed = LLMSpec.parse({ ...(url === "" ? {} : { base_url: url }), ...spec });
  const llm = new ImageEndpointsLLM(parsed, { secret: () => environment["HF_TOKEN"] ?? "key-canary", environment });
  try {
    const common = { structuredOutput: null, preQuery: false, seed: 11, signal: new AbortController().signal };
    const [endpoint = ""] = llm.endpoints;
    return await llm.call({ input, endpoint, generationKwargs: parsed.generation_kwargs, ...common });
  } finally {
    await llm.close();
  }
}

/** One call to a server that says nothing of itself and answers so. */
async function answered(script: Script, more: Partial<Asked> & { readonly route?: string } = {}): Promise<Generation> {
  await using server = await startScriptedServer(unlisted(script));
  return await ask({ url: server.url + (more.route ?? ""), ...more });
}

async function refused(script: Script, more: Partial<Asked> = {}): Promise<TidingError> {
  try {
    await answered(script, more);
  } catch (error) {
    if (isTidingError(error)) return error;
    throw error;
  }
  return assert.fail("an image came");
}

function send(response: ServerResponse, body: Buffer | string, type = "application/octet-stream"): void {
  response.writeHead(200, { "content-type": type });
  response.end(body);
}

const json =
  (body: unknown, status = 200, headers: Record<string, string> = {}): Script =>
  (_request, response) =>
    sendJson(response, body, { status, headers });

void test("a container is posted inputs and parameters at its base URL, and asked for PNG", async () => {
  await using server = await startScriptedServer(unlisted((_request, response) => send(response, PNG, "image/png")));
  const generation_kwargs = {
    width: 64,
    height: 32,
    num_inference_steps: 4,
    guidance_scale: 7.5,
    negative_prompt: "dog",
  };
  const { image, model, finishReason } = await ask({
    url: server.url,
    spec: { generation_kwargs, model_id: "painter" },
  });
  assert.deepEqual(Buffer.from(image?.bytes ?? []), PNG);
  assert.deepEqual([image?.mediaType, model, finishReason], ["image/png", "painter", "stop"]);
  const call = server.requests.at(-1);
  assert.deepEqual([call?.method, call?.path, call?.headers.accept], ["POST", "/", "image/png"]);
  assert.deepEqual(call?.body, { inputs: "a cat", parameters: { seed: 11, ...generation_kwargs } });
});

void test("a server with OpenAI's API is asked at its route, in its words", async () => {
  const script: Script = (_request, response) =>
    sendJson(response, { data: [{ b64_json: BASE64, revised_prompt: "A cat." }] });
  await using server = await startScriptedServer(listing("vllm-omni", script));
  const generation_kwargs = { width: 64, height: 32, quality: "low" };
  const { image, text } = await ask({ url: `${server.url}/v1`, spec: { generation_kwargs } });
  assert.deepEqual(Buffer.from(image?.bytes ?? []), PNG);
  assert.equal(text, "A cat.");
  const call = server.requests.at(-1);
  assert.equal(call?.path, "/v1/images/generations");
  const common = { model: "served", n: 1, prompt: "a cat", response_format: "b64_json", seed: 11 };
  assert.deepEqual(call?.body, { ...common, size: "64x32", quality: "low" });
});

void test("a null among the parameters takes out what a server does not know", async () => {
  await using server = await startScriptedServer(unlisted(json({ data: [{ b64_json: BASE64 }] })));
  const generation_kwargs = { seed: null, response_format: null, size: "auto" };
  await ask({ url: `${server.url}/v1`, spec: { generation_kwargs, model_id: "painter" } });
  assert.deepEqual(server.requests.at(-1)?.body, { model: "painter", n: 1, prompt: "a cat", size: "auto" });
});

void test("what an image is its bytes say, whatever the server calls it", async () => {
  const types = { "image/png": PNG, "image/jpeg": JPEG, "image/webp": WEBP, "image/gif": GIF };
  for (const [type, bytes] of Object.entries(types)) {
    const { image } = await answered((_request, response) => send(response, bytes, "text/plain"));
    assert.equal(image?.mediaType, type);
  }
});

void test("base64 is read as a JSON text, in OpenAI's list, and as a data URL", async () => {
  const forms = [BASE64, { data: [{ b64_json: BASE64 }] }, { output: [`data:image/png;base64,${BASE64}`] }];
  for (const form of [...forms, { images: [{ url: `data:image/png;base64,${BASE64}` }] }]) {
    const { image } = await answered(json(form));
    assert.deepEqual(Buffer.from(image?.bytes ?? []), PNG);
  }
});

void test("an image that a server left elsewhere is fetched without the server's key, over redirects", async () => {
  await using store = await startScriptedServer((request, response) => {
    if (request.path === "/moved") return send(response, PNG, "image/png");
    response.writeHead(302, { location: "/moved" });
    response.end();
  });
  for (const body of [
    { output: [`${store.url}/signed`] },
    { output: `${store.url}/signed` },
    { data: [{ url: `${store.url}/signed` }] },
  ]) {
    const { image } = await answered(json(body), { spec: { api_key: "${KEY}" } });
    assert.deepEqual(Buffer.from(image?.bytes ?? []), PNG);
  }
  assert.ok(store.requests.every(({ headers }) => headers.authorization === undefined));
});

void test("an image that is not where the server left it is asked for again, and its address is not shown", async () => {
  await using store = await startScriptedServer((_request, response) => sendJson(response, {}, { status: 404 }));
  const gone = await refused(json({ output: [`${store.url}/signed-secret`] }));
  assert.equal(gone.code, "ENDPOINT_ERROR");
  assert.match(gone.message, /status 404/);
  assert.ok(!gone.message.includes("signed-secret"));
  await store.close();
  assert.equal((await refused(json({ output: [`${store.url}/signed-secret`] }))).code, "ENDPOINT_ERROR");
});

void test("an answer without an image is no answer", async () => {
  const html = await refused((_request, response) => send(response, "<html>wait</html>", "text/html"));
  assert.deepEqual([html.code, html.rawResponse], ["RESPONSE_INVALID", "<html>wait</html>"]);
  assert.match(html.message, /text\/html where an image was expected/);
  const noise = await refused((_request, response) => send(response, Buffer.from("nonsense"), "image/png"));
  assert.match(noise.message, /image\/png that is no PNG, JPEG, WebP or GIF/);
  for (const body of [
    "",
    "{",
    '{"data":[]}',
    '{"data":[{"b64_json":"bm90IGFuIGltYWdl"}]}',
    "null",
    '{"output":["ftp://x"]}',
  ]) {
    const error = await refused((_request, response) => send(response, body, "application/json"));
    assert.equal(error.code, "RESPONSE_INVALID", body);
  }
});

void test("an error inside a 200 is the error that it names", async () => {
  const loading = await refused(json({ error: "Model org/painter is currently loading", estimated_time: 20 }));
  assert.equal(loading.code, "ENDPOINT_LOADING");
  assert.equal((await refused(json({ error: "CUDA out of memory" }))).code, "ENDPOINT_ERROR");
});

void test("errors have the classes that they have for texts", async () => {
  const unsafe = { error: { message: "Your request was rejected by the safety system.", code: "moderation_blocked" } };
  const cases: readonly (readonly [body: unknown, status: number, code: string, headers?: Record<string, string>])[] = [
    [{ error: "Model is currently loading" }, 503, "ENDPOINT_LOADING"],
    [{ error: "busy" }, 503, "ENDPOINT_SATURATED", { "retry-after": "2" }],
    [{ error: "slow down" }, 429, "ENDPOINT_SATURATED"],
    [unsafe, 400, "CONTENT_FILTERED"],
    [{ error: { message: "no", code: "content_policy_violation" } }, 400, "CONTENT_FILTERED"],
    [{ error: "Provided height=3 and width=4" }, 400, "REQUEST_REJECTED"],
    [{ error: "no key" }, 401, "UNAUTHORIZED"],
    [{ error: "pay" }, 402, "QUOTA_EXHAUSTED"],
    [{ error: "oops" }, 500, "ENDPOINT_ERROR"],
    [{}, 404, "WRONG_SERVICE"],
  ];
  for (const [body, status, code, headers] of cases) {
    const error = await refused(json(body, status, headers));
    assert.equal(error.code, code, JSON.stringify(body));
    assert.ok(!error.message.includes("a cat"));
  }
});

void test("a server that writes texts only is refused by name, and so is an order that no image can be made of", async () => {
  await using server = await startScriptedServer(tgi(json({})));
  await assert.rejects(ask({ url: server.url }), { code: "SPEC_INVALID", message: /TGI/ });
  const spec = { generation_kwargs: { n: 2 } };
  await assert.rejects(ask({ url: server.url, spec }), { code: "SPEC_INVALID", place: "generation_kwargs.n" });
  await assert.rejects(ask({ url: server.url, spec: { base_url: [server.url, server.url] } }), {
    code: "SPEC_INVALID",
  });
  const input = [
    { role: "user", content: "a" },
    { role: "assistant", content: "b" },
  ];
  assert.equal((await refused(json(BASE64), { input })).code, "TASK_INVALID");
});

void test("a model alone is asked of the first of the Hub's providers that answers at once, in the provider's words", async () => {
  await using hub = await startFakeHub((_request, response) => sendJson(response, { data: [{ b64_json: BASE64 }] }));
  hub.models["org/painter"] = {
    groq: { providerId: "chatty", status: "live", task: "conversational" },
    "fal-ai": { providerId: "fal/painter", status: "live", task: "text-to-image" },
    together: { providerId: "Org/Painter-Turbo", status: "live", task: "text-to-image" },
    nscale: { providerId: "org/painter-n", status: "live", task: "text-to-image" },
  };
  const { environment } = hub;
  const generation_kwargs = { num_inference_steps: 4, negative_prompt: null };
  const spec = { model_id: "org/painter", generation_kwargs };
  const { image, model } = await ask({ url: "", spec, environment });
  assert.deepEqual(Buffer.from(image?.bytes ?? []), PNG);
  assert.equal(model, "org/painter");
  const [call] = hub.calls;
  assert.equal(call?.path, "/router/together/v1/images/generations");
  assert.equal(call?.headers.authorization, `Bearer ${HUB_TOKEN}`);
  assert.deepEqual(call?.body, {
    steps: 4,
    seed: 11,
    prompt: "a cat",
    response_format: "base64",
    model: "Org/Painter-Turbo",
  });
  await ask({ url: "", spec: { ...spec, provider: "nscale" }, environment });
  assert.equal(hub.calls.at(-1)?.path, "/router/nscale/v1/images/generations");
  const queued = ask({ url: "", spec: { ...spec, provider: "fal-ai" }, environment });
  await assert.rejects(queued, { code: "NOT_BUILT", message: /fal-ai hands images out by a queue/ });
  const chatOnly = ask({ url: "", spec: { ...spec, provider: "groq" }, environment });
  await assert.rejects(chatOnly, { code: "MODEL_NOT_FOUND" });
});

void test("hf-inference's bytes and replicate's addresses are images too", async () => {
  await using store = await startScriptedServer((_request, response) => send(response, JPEG, "image/jpeg"));
  await using hub = await startFakeHub((request, response) =>
    request.path.includes("replicate")
      ? sendJson(response, { status: "succeeded", output: [`${store.url}/image`] }, { status: 201 })
      : send(response, PNG, "image/png"),
  );
  hub.models["org/painter"] = {
    "hf-inference": { providerId: "org/painter", status: "live", task: "text-to-image" },
    replicate: { providerId: "org/painter", status: "live", task: "text-to-image" },
  };
  const { environment } = hub;
  const ofHub = await ask({ url: "", spec: { model_id: "org/painter" }, environment });
  assert.equal(ofHub.image?.mediaType, "image/png");
  assert.equal(hub.calls[0]?.path, "/router/hf-inference/models/org/painter");
  assert.deepEqual(hub.calls[0]?.body, { inputs: "a cat", parameters: { seed: 11 } });
  const replicated = await ask({ url: "", spec: { model_id: "org/painter", provider: "replicate" }, environment });
  assert.equal(replicated.image?.mediaType, "image/jpeg");
  assert.equal(hub.calls.at(-1)?.headers["prefer"], "wait");
});
