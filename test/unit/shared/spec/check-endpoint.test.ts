import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { endpointKind } from "../../../../shared/spec/check-endpoint.ts";
import { specFromObject } from "../../../../shared/spec/load-spec.ts";
import { InferenceEndpointsLLM } from "../../../../worker/llms/inference-endpoints-llm.ts";

const base_url = "http://127.0.0.1:1";
const environment = { HF_TOKEN: "hf_canary" };

function load(llm: Record<string, unknown>, task = "text-generation") {
  const spec = { input: { path: "a.jsonl" }, steps: [{ task, llm }], output: { path: "out" } };
  return specFromObject(spec, { folder: ".", environment });
}

/** distilabel 1.5, with what it warns of as allowed, and beside it our one difference: model_id with base_url. */
const allowed: Record<string, [llm: Record<string, unknown>, kind: string]> = {
  "base_url alone": [{ base_url }, "server"],
  "model_id alone": [{ model_id: "org/m" }, "serverless"],
  "endpoint_name alone": [{ endpoint_name: "e" }, "dedicated"],
  "base_url with the served name": [{ base_url, model_id: "org/m" }, "server"],
  "base_url with endpoint_name": [{ base_url, endpoint_name: "e" }, "dedicated"],
  "endpoint_name with its namespace": [{ endpoint_name: "e", endpoint_namespace: "team" }, "dedicated"],
  "model_id with a provider and a payer": [{ model_id: "org/m", provider: "together", bill_to: "team" }, "serverless"],
  "model_id with tokenizer_id, as distilabel has it": [{ model_id: "org/m", tokenizer_id: "org/m" }, "serverless"],
  "model_id with a form": [{ model_id: "org/m", structured_output: { schema: "a+" } }, "serverless"],
  "base_url with the chat route forced": [{ base_url, use_openai_client: true, tokenizer_id: "org/m" }, "server"],
};
for (const [what, [llm, kind]] of Object.entries(allowed)) {
  void test(`${what} is allowed, in a spec as in a program`, async () => {
    const [step] = load(llm).spec.steps;
    assert.equal(endpointKind(step?.llm ?? {}), kind);
    const built = new InferenceEndpointsLLM({ ...llm, environment });
    await built.close();
  });
}

const refused: Record<string, [llm: Record<string, unknown>, key: string, what: RegExp]> = {
  "none of the three": [{}, "base_url", /is missing/],
  "model_id with endpoint_name": [
    { model_id: "m", endpoint_name: "e" },
    "model_id",
    /does not go with `endpoint_name`/,
  ],
  "all of the three": [{ base_url, model_id: "m", endpoint_name: "e" }, "model_id", /does not go with `endpoint_name`/],
  "a namespace of no endpoint": [
    { base_url, endpoint_namespace: "team" },
    "endpoint_namespace",
    /needs `endpoint_name`/,
  ],
  "an endpoint to start that has no name": [{ base_url, endpoint: { ensure: "running" } }, "endpoint", /endpoint` /],
  "a provider of a server": [{ base_url, provider: "together" }, "provider", /is for a model of the Hub's providers/],
  "Magpie without a tokenizer": [{ base_url, use_magpie_template: true }, "tokenizer_id", /is missing/],
  "Magpie over the chat route": [
    { base_url, tokenizer_id: "t", use_magpie_template: true, use_openai_client: true },
    "use_openai_client",
    /does not go with Magpie/,
  ],
  "Magpie on the Hub's providers": [
    { model_id: "m", tokenizer_id: "t", use_magpie_template: true },
    "model_id",
    /take conversations only/,
  ],
  "a name that is none": [{ endpoint_name: "a/b" }, "endpoint_name", /must be the name of an endpoint/],
  "a key with a slip": [{ base_url, modelid: "m" }, "modelid", /is not a key/],
  "a form that is none": [
    { base_url, structured_output: { schema: { type: "nothing" } } },
    "structured_output.schema.type",
    /is no valid JSON Schema/,
  ],
};
for (const [what, [llm, key, pattern]] of Object.entries(refused)) {
  void test(`${what} is refused with place and mend, in a spec as in a program`, () => {
    const matches = (place: string) => (error: unknown) => {
      assert.ok(isTidingError(error));
      assert.deepEqual([error.code, error.place], ["SPEC_INVALID", place]);
      assert.match(error.message, pattern);
      assert.match(error.message, new RegExp(`\`${place.replaceAll(".", "\\.")}\``));
      assert.ok((error.mend ?? "").length > 10);
      return true;
    };
    assert.throws(() => load(llm), matches(`steps.0.llm.${key}`));
    assert.throws(() => new InferenceEndpointsLLM({ ...llm, environment }), matches(key));
  });
}

void test("the tasks magpie need prompts, which neither the chat route alone nor the Hub's providers take", () => {
  const llm = { tokenizer_id: "t" };
  assert.throws(() => load({ ...llm, base_url, use_openai_client: true }, "magpie"), {
    place: "steps.0.llm.use_openai_client",
  });
  assert.throws(() => load({ ...llm, model_id: "m" }, "magpie"), { place: "steps.0.llm.model_id" });
});

void test("several faults of one set of options come at once", () => {
  assert.throws(
    () => new InferenceEndpointsLLM({ slots: 0, attempts: 0, environment }),
    /has 2 errors:\n {2}slots: `slots` must be .*\n {2}attempts: `attempts` must be/s,
  );
});

void test("steps that call one endpoint agree on what is done to it; an llm of one's own has no such key", () => {
  const step = (llm: object) => ({ task: "text-generation", llm });
  const loadSteps = (...steps: object[]) =>
    specFromObject({ input: { path: "a.jsonl" }, steps, output: { path: "o" } }, { folder: ".", environment: {} });
  const paused = { endpoint_name: "e", endpoint: { when_done: "pause" } };
  const { spec } = loadSteps(
    step(paused),
    step({ ...paused, generation_kwargs: { top_k: 2 } }),
    step({ endpoint_name: "e" }),
  );
  assert.deepEqual(spec.steps[0]?.llm?.endpoint, { when_done: "pause" });
  assert.deepEqual(
    loadSteps(step({ endpoint_name: "e", endpoint: { ensure: "running" } })).spec.steps[0]?.llm?.endpoint,
    {
      ensure: "running",
      when_done: "leave",
    },
  );
  loadSteps(step(paused), step({ ...paused, endpoint_namespace: "team", endpoint: { when_done: "scale_to_zero" } }));
  assert.throws(() => loadSteps(step(paused), step({ ...paused, endpoint: { when_done: "scale_to_zero" } })), {
    code: "SPEC_INVALID",
    place: "steps.1.llm.endpoint",
    message: /says otherwise than steps\.0/,
  });
  assert.throws(() => loadSteps(step({ class: "./l.ts", endpoint: { ensure: "running" } })), {
    code: "SPEC_INVALID",
    place: "steps.0.llm.endpoint",
  });
});
