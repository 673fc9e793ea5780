import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { specFromObject } from "../../../../shared/spec/load-spec.ts";

const server = { base_url: "http://127.0.0.1:8080" };

function load(step: object, llm: object = server): unknown {
  const spec = {
    input: { path: "a.jsonl" },
    steps: [{ task: "generate-embeddings", llm, ...step }],
    output: { path: "o" },
  };
  return specFromObject(spec, { folder: ".", environment: {} });
}

const noText = /does not go with the task generate-embeddings/;
const refused: readonly (readonly [place: string, message: RegExp, step: object, llm?: object])[] = [
  ["steps.0.llm.structured_output", noText, {}, { ...server, structured_output: { schema: { type: "object" } } }],
  ["steps.0.llm.tokenizer_id", noText, {}, { ...server, tokenizer_id: "org/model" }],
  ["steps.0.llm.stream", noText, {}, { ...server, stream: true }],
  ["steps.0.llm.fail_on_length", noText, {}, { ...server, fail_on_length: true }],
  ["steps.0.llm.use_openai_client", noText, {}, { ...server, use_openai_client: true }],
  ["steps.0.system_prompt", noText, { system_prompt: "Be brief." }],
  ["steps.0.template", noText, { template: "{{ a }}" }],
  ["steps.0.reasoning", noText, { reasoning: true }],
  ["steps.0.num_generations", /several times/, { num_generations: 2 }],
  ["steps.0.llm.model_id", /Hub's providers/, {}, { model_id: "org/embedder" }],
];

for (const [place, message, step, llm] of refused) {
  void test(`${place} is refused for generate-embeddings, with a mend`, () => {
    assert.throws(
      () => load(step, llm),
      (error: unknown) => {
        assert.ok(isTidingError(error));
        assert.deepEqual([error.code, error.place], ["SPEC_INVALID", place]);
        assert.match(error.message, message);
        assert.ok((error.mend ?? "").length > 8);
        return true;
      },
    );
  });
}

void test("a step that makes embeddings passes with a server, a dedicated endpoint, or an LLM of one's own", () => {
  load({}, { ...server, slots: 4, stream: false, model_id: "org/embedder" });
  load({}, { endpoint_name: "embedder" });
  load({}, { class: "./llm.ts", model_id: "org/embedder" });
});
