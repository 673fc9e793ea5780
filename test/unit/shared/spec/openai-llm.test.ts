import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import type { LLMSpec } from "../../../../shared/spec/job-spec.ts";
import { specFromObject } from "../../../../shared/spec/load-spec.ts";

function loaded(llm: object) {
  const job = {
    input: { path: "rows.jsonl" },
    steps: [{ task: "text-generation", llm: { class: "OpenAILLM", ...llm } }],
    output: { path: "out" },
  };
  return specFromObject(job, { folder: ".", environment: {}, name: "job" });
}

function llmOf(llm: object): LLMSpec {
  return loaded(llm).spec.steps[0]!.llm!;
}

void test("OpenAILLM is the one client with OpenAI's address and a reference to its key", () => {
  const { class: name, base_url, api_key, model_id, use_openai_client } = llmOf({ model_id: "gpt-4o-mini" });
  assert.deepEqual(
    { name, base_url, api_key, model_id, use_openai_client },
    {
      name: "InferenceEndpointsLLM",
      base_url: "https://api.openai.com/v1",
      api_key: "${OPENAI_API_KEY}",
      model_id: "gpt-4o-mini",
      use_openai_client: true,
    },
  );
});

void test("OpenAI's key is sent to no other server, unless the spec says so", () => {
  const other = { model_id: "m", base_url: "http://127.0.0.1:8000/v1" };
  assert.equal(llmOf(other).api_key, undefined);
  assert.equal(llmOf({ ...other, api_key: "${MINE}" }).api_key, "${MINE}");
  assert.equal(llmOf({ model_id: "m", api_key: "${MINE}" }).api_key, "${MINE}");
});

void test("batches are a matter of OpenAILLM as of any server", () => {
  const batched = { model_id: "m", use_offline_batch_generation: true };
  assert.equal(llmOf(batched).use_offline_batch_generation, true);
});

void test("what the spec was written with is kept as it was written", () => {
  const { steps } = loaded({ model_id: "m" }).written as { steps: { llm: object }[] };
  assert.deepEqual(steps[0]!.llm, { class: "OpenAILLM", model_id: "m" });
});

void test("a model without a name, and keys of other ways to one, are refused with their place", () => {
  for (const [llm, place, says] of [
    [{}, /llm\.model_id/, /is missing: OpenAILLM/],
    [{ model_id: "m", endpoint_name: "mine" }, /llm\.endpoint_name/, /is not for OpenAILLM/],
    [{ model_id: "m", provider: "auto" }, /llm\.provider/, /is not for OpenAILLM/],
    [{ model_id: "m", use_openai_client: false }, /llm\.use_openai_client/, /is not for OpenAILLM/],
  ] as const) {
    assert.throws(
      () => loaded(llm),
      (error) =>
        isTidingError(error) && error.code === "SPEC_INVALID" && place.test(error.message) && says.test(error.message),
      JSON.stringify(llm),
    );
  }
});
