import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { specFromObject } from "../../../../shared/spec/load-spec.ts";

const llm = { base_url: "http://127.0.0.1:8080" };

function load(step: object, more: object = {}): unknown {
  const spec = {
    input: { path: "a.jsonl" },
    steps: [{ task: "image-generation", llm: { ...llm, ...more }, ...step }],
    output: { path: "o" },
  };
  return specFromObject(spec, { folder: ".", environment: {} });
}

const refused: readonly (readonly [place: string, step: object, llm?: object])[] = [
  ["steps.0.llm.structured_output", {}, { structured_output: { schema: { type: "object" } } }],
  ["steps.0.llm.tokenizer_id", {}, { tokenizer_id: "org/model" }],
  ["steps.0.llm.stream", {}, { stream: true }],
  ["steps.0.llm.fail_on_length", {}, { fail_on_length: true }],
  ["steps.0.llm.use_openai_client", {}, { use_openai_client: true }],
  ["steps.0.llm.use_offline_batch_generation", {}, { use_offline_batch_generation: true }],
  ["steps.0.system_prompt", { system_prompt: "Be brief." }],
  ["steps.0.reasoning", { reasoning: true }],
];

for (const [place, step, more] of refused) {
  void test(`${place} is refused for image-generation, with a mend`, () => {
    assert.throws(
      () => load(step, more),
      (error: unknown) => {
        assert.ok(isTidingError(error));
        assert.deepEqual([error.code, error.place], ["SPEC_INVALID", place]);
        assert.match(error.message, /does not go with the task image-generation/);
        return true;
      },
    );
  });
}

void test("a step that makes images passes with a template, generations, and the keys of any endpoint", () => {
  load({ template: "{{ a }}", num_generations: 4, group_generations: true }, { stream: false, slots: 4 });
});
