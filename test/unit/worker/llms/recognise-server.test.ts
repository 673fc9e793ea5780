import assert from "node:assert/strict";
import { test } from "node:test";
import { chatAdvice, recogniseByModels, recogniseTei, recogniseTgi } from "../../../../worker/llms/recognise-server.ts";
import { TEI_INFO } from "../../../support/embedding-server.ts";
import { TGI_INFO } from "../../../support/scripted-server.ts";

const wanted = (modelId?: string, generationKwargs: Record<string, unknown> = {}) => ({
  endpoint: "http://h",
  modelId,
  generationKwargs,
});
const listing = (...models: Record<string, unknown>[]) => ({ object: "list", data: models });

void test("TGI is recognised with its model, revision and limit, and asked for the model tgi", () => {
  const server = recogniseTgi(TGI_INFO, wanted());
  assert.ok(server !== null);
  const { model, revision, maxConcurrentRequests, requestModel } = server;
  assert.deepEqual([model, revision, maxConcurrentRequests, requestModel], ["some/model", "abc123", 128, "tgi"]);
  assert.equal(recogniseTgi(TGI_INFO, wanted("some/model"))?.requestModel, "tgi");
});

void test("another model_id is sent to TGI as an adapter, with a word of advice", () => {
  const server = recogniseTgi(TGI_INFO, wanted("my/adapter"));
  assert.equal(server?.requestModel, "my/adapter");
  assert.match(server?.advice?.join() ?? "", /my\/adapter for an adapter/);
});

void test("what is not TGI's /info is not TGI", () => {
  for (const info of [undefined, null, [], { status: "ok" }, { model_id: "x" }]) {
    assert.equal(recogniseTgi(info, wanted()), null);
  }
});

void test("Text Embeddings Inference is itself, and not TGI, whose limit it names alike", () => {
  assert.equal(recogniseTgi(TEI_INFO, wanted()), null);
  assert.equal(recogniseTei(TGI_INFO, wanted()), null);
  const server = recogniseTei(TEI_INFO, wanted());
  assert.ok(server !== null);
  const { model, revision, version, maxConcurrentRequests, limits } = server;
  assert.deepEqual([server.server, model, revision, version], ["tei", "some/embedder", "e1", "1.8.0"]);
  assert.deepEqual([maxConcurrentRequests, limits.maxInputTokens], [512, 256]);
});

void test("more stop sequences than TGI takes are an error at once", () => {
  const stop_sequences = ["a", "b", "c", "d", "e"];
  assert.throws(() => recogniseTgi(TGI_INFO, wanted(undefined, { stop_sequences })), { code: "SPEC_INVALID" });
  assert.ok(recogniseTgi({ ...TGI_INFO, max_stop_sequences: 5 }, wanted(undefined, { stop_sequences })));
});

void test("parameters that TGI's chat route ignores are named, and for no other server", () => {
  const kwargs = { top_k: 5, temperature: 1 };
  assert.deepEqual(chatAdvice({ isTgi: true }, kwargs), ["TGI's chat route ignores top_k."]);
  assert.deepEqual(chatAdvice({ isTgi: true }, { temperature: 1 }), []);
  assert.deepEqual(chatAdvice({ isTgi: false }, kwargs), []);
});

void test("servers are told apart by owned_by, and an alias keeps the model behind it", () => {
  const server = recogniseByModels(
    listing({ id: "alias", owned_by: "vllm", root: "org/model", parent: null }),
    wanted(),
  );
  assert.ok(server !== null);
  assert.deepEqual(
    [server.server, server.model, server.revision, server.requestModel],
    ["vllm", "alias", "org/model", "alias"],
  );
});

void test("vLLM's adapters don't make its model ambiguous", () => {
  const list = listing(
    { id: "base", owned_by: "vllm", parent: null },
    { id: "lora", owned_by: "vllm", parent: "base" },
  );
  assert.equal(recogniseByModels(list, wanted())?.model, "base");
  assert.equal(recogniseByModels(list, wanted("lora"))?.model, "lora");
});

void test("several names of one model are no several models, and the first stands for it", () => {
  const named = (id: string, root: string) => ({ id, owned_by: "vllm", root, parent: null });
  const names = [named("a", "org/model"), named("b", "org/model")];
  const adapter = { id: "lora", owned_by: "vllm", root: "path", parent: "a" };
  assert.equal(recogniseByModels(listing(...names, adapter), wanted())?.requestModel, "a");
  assert.throws(() => recogniseByModels(listing(...names, named("c", "org/other")), wanted()), {
    code: "MODEL_NOT_FOUND",
  });
});

void test("a model that is not listed is MODEL_NOT_FOUND, naming those that are", () => {
  assert.throws(() => recogniseByModels(listing({ id: "a" }, { id: "b" }), wanted("c")), {
    code: "MODEL_NOT_FOUND",
    message: "http://h does not serve c; it lists a, b.",
  });
});

void test("several models and no model_id is MODEL_NOT_FOUND", () => {
  assert.throws(() => recogniseByModels(listing({ id: "a" }, { id: "b" }), wanted()), { code: "MODEL_NOT_FOUND" });
});

void test("a provider behind the model's name is no part of the listing", () => {
  assert.equal(
    recogniseByModels(listing({ id: "org/m" }, { id: "b" }), wanted("org/m:together"))?.requestModel,
    "org/m:together",
  );
});

void test("TGI says its version and limits in one answer, older releases by the older name", () => {
  const server = recogniseTgi(TGI_INFO, wanted());
  assert.equal(server?.version, "3.3.7");
  assert.deepEqual(server?.limits, {
    maxConcurrentRequests: 128,
    maxInputTokens: 4095,
    maxTotalTokens: 4096,
    maxStopSequences: 4,
  });
  const { max_input_tokens, ...others } = TGI_INFO;
  const older = recogniseTgi({ ...others, max_input_length: max_input_tokens }, wanted());
  assert.equal(older?.limits.maxInputTokens, 4095);
});

void test("a list tells the context of vLLM, SGLang and llama.cpp, and no version", () => {
  const contextOf = (model: Record<string, unknown>) => {
    const server = recogniseByModels(listing({ id: "m", ...model }), wanted());
    return [server?.limits.maxTotalTokens, server?.version];
  };
  assert.deepEqual(contextOf({ owned_by: "vllm", max_model_len: 8096 }), [8096, null]);
  assert.deepEqual(contextOf({ owned_by: "llamacpp", meta: { n_ctx: 1024 } }), [1024, null]);
  assert.deepEqual(contextOf({ owned_by: "org" }), [null, null]);
});
