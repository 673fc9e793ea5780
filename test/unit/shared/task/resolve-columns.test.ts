import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import type { RowSchema } from "../../../../shared/rows/row-schema.ts";
import { OutputSpec, StepSpec } from "../../../../shared/spec/job-spec.ts";
import { resolveColumns } from "../../../../shared/task/resolve-columns.ts";
import type { StepTask } from "../../../../shared/task/resolve-columns.ts";
import type { Task } from "../../../../shared/task/task.ts";

const input: RowSchema = [
  { name: "question", type: "string" },
  { name: "topic", type: "string" },
];
const generate: Task = {
  inputs: [],
  oneOf: ["instruction", "messages"],
  optionalInputs: ["system_prompt"],
  outputs: { generation: "string", model_name: "string" },
  run: () => ({}),
};
const judge: Task = { inputs: ["generation"], outputs: ["score"], run: () => ({}) };

function step(task: Task, spec: object = {}, name = "generate"): StepTask {
  return { name, task, spec: StepSpec.parse({ task: "x", llm: { base_url: "http://h" }, ...spec }) };
}
const output = (spec: object = {}) => OutputSpec.parse({ path: "o", ...spec });
const mapped = { columns: { instruction: "question" } };

function refusal(...given: Parameters<typeof resolveColumns>): string[] {
  try {
    resolveColumns(...given);
  } catch (error) {
    if (isTidingError(error)) return [error.code, error.place ?? "", error.message, error.mend ?? ""];
    throw error;
  }
  return assert.fail("the columns were accepted");
}

void test("columns flow from the input through the steps into the dataset", () => {
  const { steps, columns } = resolveColumns(input, [step(generate, mapped), step(judge, {}, "judge")], output());
  assert.deepEqual(steps, [
    {
      name: "generate",
      inputs: { instruction: "question" },
      outputs: [
        { from: "generation", to: "generation", type: "string" },
        { from: "model_name", to: "model_name", type: "string" },
      ],
    },
    {
      name: "judge",
      inputs: { generation: "generation" },
      outputs: [{ from: "score", to: "score", type: "inferred" }],
    },
  ]);
  assert.deepEqual(columns, [
    ...input,
    { name: "generation", type: "string" },
    { name: "model_name", type: "string" },
    { name: "score", type: "inferred" },
  ]);
});

void test("one of several columns is enough: a mapped one first, then the first that exists; optional ones are taken", () => {
  const inputsOf = (names: string[], spec: object = {}) =>
    resolveColumns(
      names.map((name) => ({ name, type: "string" })),
      [step(generate, spec)],
      output(),
    ).steps[0]?.inputs;
  assert.deepEqual(inputsOf(["messages", "instruction"]), { instruction: "instruction" });
  assert.deepEqual(inputsOf(["messages", "system_prompt"]), { messages: "messages", system_prompt: "system_prompt" });
  assert.deepEqual(inputsOf(["instruction", "chat"], { columns: { messages: "chat" } }), { messages: "chat" });
});

void test("grouped generations are lists, where there are several", () => {
  const typesOf = (spec: object) =>
    resolveColumns(input, [step(generate, { ...mapped, ...spec })], output()).steps[0]?.outputs.map(({ type }) => type);
  assert.deepEqual(typesOf({ num_generations: 2, group_generations: true }), [{ list: "string" }, { list: "string" }]);
  assert.deepEqual(typesOf({ num_generations: 2 }), ["string", "string"]);
  assert.deepEqual(typesOf({ group_generations: true }), ["string", "string"]);
});

void test("output.types wins over the task's types, and output.columns keeps and orders", () => {
  const wanted = { types: { score: "int32" }, columns: ["score", "question"] };
  const { columns } = resolveColumns(input, [step(generate, mapped), step(judge)], output(wanted));
  assert.deepEqual(columns, [
    { name: "score", type: "int32" },
    { name: "question", type: "string" },
  ]);
});

void test("rename makes room for a second step of the same task", () => {
  const rename = { generation: "second", model_name: "second_model" };
  const { columns } = resolveColumns(input, [step(generate, mapped), step(generate, { ...mapped, rename })], output());
  assert.deepEqual(columns.map(({ name }) => name).slice(2), ["generation", "model_name", "second", "second_model"]);
});

void test("a missing column names the step's place, the nearest column and all columns", () => {
  assert.deepEqual(refusal(input, [step(judge, {}, "judge")], output()), [
    "COLUMN_MISSING",
    "steps.0.columns",
    "The step `judge` needs the column `generation`, which does not exist.",
    "Name the column that holds it, as in columns: { generation: question }. Columns: question, topic.",
  ]);
  assert.deepEqual(refusal(input, [step(generate, { columns: { instruction: "qestion" } })], output()), [
    "COLUMN_MISSING",
    "steps.0.columns",
    "`columns` of the step `generate` maps `instruction` to the column `qestion`, which does not exist.",
    "Name the column that holds it, as in columns: { instruction: question }. Columns: question, topic.",
  ]);
  assert.deepEqual(refusal(input, [step(generate)], output()), [
    "COLUMN_MISSING",
    "steps.0.columns",
    "The step `generate` needs a column `instruction` or `messages`, and there is none.",
    "Name the column that holds it, as in columns: { instruction: question }. Columns: question, topic.",
  ]);
  assert.deepEqual(refusal(input, [step(generate, mapped)], output({ columns: ["topics"] })), [
    "COLUMN_MISSING",
    "output.columns",
    "`output.columns` names the column `topics`, which does not exist.",
    "Did you mean `topic`? Columns: question, topic, generation, model_name.",
  ]);
});

void test("a task column that the row already has is a collision, and rename mends it", () => {
  assert.deepEqual(refusal([...input, { name: "generation", type: "string" }], [step(generate, mapped)], output()), [
    "COLUMN_COLLISION",
    "steps.0.rename",
    "The step `generate` returns the column `generation`, which the row already has.",
    "Give it another name: rename: { generation: generate_generation }.",
  ]);
  const [code] = refusal(input, [step(generate, { ...mapped, rename: { generation: "model_name" } })], output());
  assert.equal(code, "COLUMN_COLLISION");
});

void test("names that Tiding keeps for itself are refused in the input and in a task", () => {
  assert.deepEqual(refusal([{ name: "tiding", type: "string" }], [], output()), [
    "COLUMN_COLLISION",
    "input.columns",
    "The input column `tiding` has a name that Tiding keeps for itself.",
    "Give it another name: columns: { my_name: tiding, ... }.",
  ]);
  const [code, place] = refusal(input, [step({ ...judge, inputs: [], outputs: ["tiding.seed"] })], output());
  assert.deepEqual([code, place], ["COLUMN_COLLISION", "steps.0.rename"]);
});

void test("columns, rename and types that name nothing of the task are refused", () => {
  assert.deepEqual(refusal(input, [step(generate, { columns: { instuction: "question" } })], output()), [
    "SPEC_INVALID",
    "steps.0.columns",
    "`columns` maps `instuction`, which the step `generate` does not read.",
    "Did you mean `instruction`?",
  ]);
  assert.deepEqual(refusal(input, [step(generate, { ...mapped, rename: { answer: "a" } })], output()), [
    "SPEC_INVALID",
    "steps.0.rename",
    "`rename` names `answer`, which the step `generate` does not return.",
    "It returns: generation, model_name.",
  ]);
  assert.deepEqual(refusal(input, [step(generate, mapped)], output({ types: { topic: "json" } })).slice(0, 3), [
    "SPEC_INVALID",
    "output.types",
    "`output.types` names `topic`, which is a column of the input.",
  ]);
  assert.equal(refusal(input, [step(generate, mapped)], output({ types: { nothing: "json" } }))[0], "COLUMN_MISSING");
  assert.equal(refusal(input, [step(generate, mapped)], output({ columns: ["topic", "topic"] }))[0], "SPEC_INVALID");
});

void test("a task that calls a model needs an llm, one that does not is free", () => {
  const [code, place, message] = refusal(input, [step(judge, { llm: undefined }, "judge")], output());
  assert.deepEqual(
    [code, place, message],
    ["SPEC_INVALID", "steps.0.llm", "The step `judge` calls a model, and its spec names none."],
  );
  resolveColumns(input, [step({ ...judge, inputs: [], usesLLM: false }, { llm: undefined })], output());
});
