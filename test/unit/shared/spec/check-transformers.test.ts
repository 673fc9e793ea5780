import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { specFromObject } from "../../../../shared/spec/load-spec.ts";

const local = { class: "TransformersLLM", model_id: "./model" };

function load(llm: object, step: object = {}): unknown {
  const steps = [{ task: "text-generation", llm, ...step }];
  return specFromObject({ input: { path: "a.jsonl" }, steps, output: { path: "o" } }, { folder: ".", environment: {} });
}

const noServer = /does not go with TransformersLLM, which calls no server/;
const refused: readonly (readonly [place: string, message: RegExp, llm: object, step?: object])[] = [
  ["model_id", /is missing/, { class: "TransformersLLM" }],
  ["base_url", noServer, { ...local, base_url: "http://127.0.0.1:8080" }],
  ["stream", noServer, { ...local, stream: true }],
  ["api_key", noServer, { ...local, api_key: "${KEY}" }],
  ["tokenizer_id", noServer, { ...local, tokenizer_id: "org/model" }],
  ["generation_kwargs.presence_penalty", /not known/, { ...local, generation_kwargs: { presence_penalty: 1 } }],
  ["generation_kwargs.seed", /not known/, { ...local, generation_kwargs: { seed: 1 } }],
  ["class", /the task image-generation/, local, { task: "image-generation" }],
  ["dtype", /is for TransformersLLM/, { base_url: "http://127.0.0.1:8080", dtype: "q4" }],
  ["device", /is for TransformersLLM/, { class: "./llm.ts", device: "cpu" }],
];

for (const [key, message, llm, step] of refused) {
  void test(`llm.${key} is refused: ${message.source}`, () => {
    assert.throws(
      () => load(llm, step),
      (error: unknown) => {
        assert.ok(isTidingError(error));
        assert.deepEqual([error.code, error.place], ["SPEC_INVALID", `steps.0.llm.${key}`]);
        assert.match(error.message, message);
        assert.ok((error.mend ?? "").length > 8);
        return true;
      },
    );
  });
}

void test("a local model passes for texts, texts of a form and embeddings", () => {
  load({ ...local, dtype: "q4f16", device: "cuda", slots: 2, generation_kwargs: { temperature: 0 } });
  load({ ...local, structured_output: { schema: "a|b" } }, { task: "structured-generation" });
  load({ class: "TransformersLLM", model_id: "org/embedder" }, { task: "generate-embeddings" });
});
