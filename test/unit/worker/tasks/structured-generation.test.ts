import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import type { RowValues } from "../../../../shared/rows/row-schema.ts";
import { StepSpec } from "../../../../shared/spec/job-spec.ts";
import type { GenerateOptions, LLMInput, Task } from "../../../../shared/task/task.ts";
import { structuredGeneration } from "../../../../worker/tasks/structured-generation.ts";

const schema = { type: "object", properties: { name: { type: "string" }, age: { type: "integer" } } };
const own = { format: "json", schema };

function taskOf(structuredOutput?: unknown, more: object = {}): Task {
  const llm = { base_url: "http://127.0.0.1:8080", structured_output: structuredOutput };
  return structuredGeneration(StepSpec.parse({ task: "structured-generation", llm, ...more }), { folder: "." });
}

async function run(task: Task, row: RowValues) {
  const asked: { input: LLMInput; options: GenerateOptions | undefined }[] = [];
  const columns = await task.run({
    row,
    llm: {
      modelName: "shown-name",
      generate: async (input, options) => {
        asked.push({ input, options });
        const counts = { finishReason: "stop", inputTokens: 1, outputTokens: 1 };
        return {
          text: '{"name":"Ada","extra":1}',
          value: { name: "Ada", extra: 1 },
          reasoning: "r",
          model: "m",
          ...counts,
        };
      },
    },
    signal: new AbortController().signal,
    seed: 1,
    generation: 0,
  });
  return { asked, columns };
}

void test("the answer is the JSON text, and with the schema of an object a struct of its properties besides", async () => {
  const task = taskOf({ schema }, { reasoning: true, system_prompt: "Be brief." });
  assert.deepEqual(task.outputs, {
    generation: "string",
    model_name: "string",
    reasoning: "string",
    structured: { struct: { name: "string", age: "int64" } },
  });
  const { asked, columns } = await run(task, { instruction: "Who?" });
  assert.deepEqual(asked, [
    {
      input: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Who?" },
      ],
      options: { structuredOutput: own },
    },
  ]);
  assert.deepEqual(columns, {
    generation: '{"name":"Ada","extra":1}',
    model_name: "shown-name",
    reasoning: "r",
    structured: { name: "Ada", age: null },
  });
});

void test("a regex, and a schema of anything but an object, make no struct", () => {
  const plain = { generation: "string", model_name: "string" };
  assert.deepEqual(taskOf({ schema: "yes|no" }).outputs, plain);
  assert.deepEqual(taskOf({ schema: { type: "array" } }).outputs, plain);
  assert.deepEqual(taskOf().outputs, plain);
});

void test("without a form of its own the step needs the column; with one it is read where it is", () => {
  assert.deepEqual(taskOf().inputs, ["structured_output"]);
  assert.deepEqual(taskOf().oneOf, ["instruction", "messages"]);
  assert.deepEqual(taskOf(own).inputs, []);
  assert.deepEqual(taskOf(own).optionalInputs, ["system_prompt", "image", "structured_output"]);
  assert.deepEqual(taskOf(undefined, { template: "{{ text }}" }).inputs, ["text", "structured_output"]);
});

void test("a row's form wins over the step's, has no place in its struct, and where there is none the step's stands in", async () => {
  const task = taskOf(own);
  const theirs = await run(task, { instruction: "Who?", structured_output: '{"schema":"a|b"}' });
  assert.deepEqual(theirs.asked[0]?.options, { structuredOutput: { format: "regex", schema: "a|b" } });
  assert.equal(theirs.columns["structured"], null);
  const ours = await run(task, { instruction: "Who?", structured_output: null });
  assert.deepEqual(ours.asked[0]?.options, { structuredOutput: own });
});

void test("a row with no form, or with one that is none, fails without a call", async () => {
  for (const [form, message] of [
    [null, "The row has no `structured_output`, and its step none either."],
    [5, "`structured_output` must be a map or a text."],
  ] as const) {
    await assert.rejects(run(taskOf(), { instruction: "Who?", structured_output: form }), (error) => {
      assert.ok(isTidingError(error));
      assert.deepEqual([error.code, error.message], ["ROW_INVALID", message]);
      return true;
    });
  }
});

void test("a row's image is shown with the question", async () => {
  const url = "https://images.example/cat.png";
  const { asked } = await run(taskOf(own), { instruction: "What is it?", image: url });
  const content = [
    { type: "text", text: "What is it?" },
    { type: "image_url", image_url: { url } },
  ];
  assert.deepEqual(asked[0]?.input, [{ role: "user", content }]);
});
