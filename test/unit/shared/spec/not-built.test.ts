import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { specFromObject } from "../../../../shared/spec/load-spec.ts";
import { notBuiltProblems } from "../../../../shared/spec/not-built.ts";

const llm = { base_url: "http://127.0.0.1:8080" };
const base = { input: { path: "a.jsonl" }, steps: [{ task: "text-generation", llm }], output: { path: "o" } };
const withLLM = (keys: object) => ({ ...base, steps: [{ task: "text-generation", llm: { ...llm, ...keys } }] });

const refused: Record<string, object> = {
  "input.path": { ...base, input: { path: "hf://datasets/a/b" } },
  "input.path.1": { ...base, input: { path: ["a.jsonl", "s3://bucket/key"] } },
  "output.push_to_hub": { ...base, output: { path: "o", push_to_hub: "a/b" } },
  "run.budget": { ...base, run: { budget: 5 } },
  "run.max_cost": { ...base, run: { max_cost: 5 } },
  "steps.0.task": { ...base, steps: [{ task: "UltraFeedback", llm }] },
  "steps.0.llm.slots": withLLM({ slots: "auto" }),
};

for (const [key, spec] of Object.entries(refused)) {
  void test(`${key} is refused as not built, alone, with a mend`, () => {
    assert.throws(
      () => specFromObject(spec, { folder: ".", environment: {} }),
      (error: unknown) => {
        assert.ok(isTidingError(error));
        assert.deepEqual([error.code, error.place], ["NOT_BUILT", key]);
        assert.match(error.message, /^`.+` .*not built yet\.$|^`.+`: .* not built yet\.$/);
        assert.ok((error.mend ?? "").length > 20);
        return true;
      },
    );
  });
}

void test("the message says what is not built and what to use meanwhile", () => {
  const [problem] = notBuiltProblems(withLLM({ slots: "auto" }));
  assert.equal(problem?.what, "`steps.0.llm.slots`: `auto` is not built yet.");
  assert.equal(problem?.mend, "Give a number; 64 is a good start for one GPU.");
});

void test("a spec of what is built, and what is no spec at all, has no such problems", () => {
  assert.deepEqual(notBuiltProblems(base), []);
  assert.deepEqual(
    notBuiltProblems({ ...base, steps: [{ task: "./t.ts", llm: { class: "./l.ts", model_id: "m" } }] }),
    [],
  );
  for (const odd of [null, undefined, 5, "x", [], { steps: 5 }, { steps: [null] }, { input: [] }]) {
    assert.deepEqual(notBuiltProblems(odd), []);
  }
});
