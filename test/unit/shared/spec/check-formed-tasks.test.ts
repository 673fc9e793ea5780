import assert from "node:assert/strict";
import { test } from "node:test";
import { formedTaskProblems } from "../../../../shared/spec/check-formed-tasks.ts";
import { StepSpec } from "../../../../shared/spec/job-spec.ts";

const labels = ["a", "b"];

function problemsOf(step: object): readonly string[] {
  return formedTaskProblems(StepSpec.parse(step), ["steps", 0]).map(({ what }) => what);
}

void test("a step with its own keys passes", () => {
  for (const step of [
    { task: "text-classification", labels, max_labels: 2 },
    { task: "judge", aspect: "honesty", system_prompt: "Judge." },
    { task: "evol-instruct", num_evolutions: 3 },
    { task: "paraphrase" },
    { task: "text-generation", template: "{{ a }}", reasoning: true },
    { task: "./my-task.ts" },
  ])
    assert.deepEqual(problemsOf(step), [], step.task);
});

void test("what cannot be done is refused, with its key", () => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ task: "text-classification" }, /labels` is missing/],
    [{ task: "text-classification", labels: ["a", "a"] }, /names "a" twice/],
    [{ task: "text-classification", labels: { a: "" } }, /two labels at least/],
    [{ task: "text-classification", labels, max_labels: 3 }, /max_labels` is 3, and there are 2/],
    [{ task: "judge", labels }, /labels` is for the task text-classification only/],
    [{ task: "./my-task.ts", aspect: "overall" }, /aspect` is for the task judge only/],
    [{ task: "paraphrase", num_evolutions: 2 }, /num_evolutions` is for the task evol-instruct only/],
    [{ task: "paraphrase", template: "{{ a }}" }, /template` is for text-generation/],
    [{ task: "judge", reasoning: true }, /reasoning` is for text-generation/],
    [
      { task: "judge", llm: { base_url: "http://127.0.0.1:1", structured_output: { schema: "a|b" } } },
      /structured_output` does not go with the task judge/,
    ],
  ];
  for (const [step, expected] of cases) {
    const problems = problemsOf(step);
    assert.equal(problems.length, 1, JSON.stringify(step));
    assert.match(problems[0]!, expected);
  }
});
