import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import type { RowValues } from "../../../../shared/rows/row-schema.ts";
import { StepSpec } from "../../../../shared/spec/job-spec.ts";
import type { LLMInput, Task } from "../../../../shared/task/task.ts";
import { textGeneration } from "../../../../worker/tasks/text-generation.ts";

const taskOf = (spec: object = {}): Task =>
  textGeneration(StepSpec.parse({ task: "text-generation", ...spec }), { folder: "." });

async function run(spec: object, row: RowValues): Promise<{ asked: LLMInput; columns: RowValues }> {
  let asked: LLMInput = [];
  const columns = await taskOf(spec).run({
    row,
    llm: {
      modelName: "shown-name",
      generate: async (input) => {
        asked = input;
        const counts = { finishReason: "stop", inputTokens: 1, outputTokens: 1 };
        return { text: "the answer", reasoning: "the reasons", model: "served", ...counts };
      },
    },
    signal: new AbortController().signal,
    seed: 1,
    generation: 0,
  });
  return { asked, columns };
}

async function invalid(spec: object, row: RowValues): Promise<string> {
  try {
    await run(spec, row);
  } catch (error) {
    if (isTidingError(error) && error.code === "ROW_INVALID") return error.message;
    throw error;
  }
  return assert.fail("the row was accepted");
}

const user = (content: string) => ({ role: "user", content });
const system = (content: string) => ({ role: "system", content });

void test("an instruction becomes one user message, and the answer two columns", async () => {
  const { asked, columns } = await run({}, { instruction: "Why?" });
  assert.deepEqual(asked, [user("Why?")]);
  assert.deepEqual(columns, { generation: "the answer", model_name: "shown-name" });
});

void test("the reasoning is a column only where the step asks for it", async () => {
  assert.deepEqual(taskOf().outputs, { generation: "string", model_name: "string" });
  assert.deepEqual(taskOf({ reasoning: true }).outputs, {
    generation: "string",
    model_name: "string",
    reasoning: "string",
  });
  const { columns } = await run({ reasoning: true }, { instruction: "Why?" });
  assert.equal(columns["reasoning"], "the reasons");
});

void test("a row's system prompt wins over the step's, and an empty one does not", async () => {
  const step = { system_prompt: "Be brief." };
  assert.deepEqual((await run(step, { instruction: "Why?" })).asked, [system("Be brief."), user("Why?")]);
  assert.deepEqual((await run(step, { instruction: "Why?", system_prompt: "Be long." })).asked, [
    system("Be long."),
    user("Why?"),
  ]);
  for (const system_prompt of [null, " "]) {
    assert.deepEqual((await run(step, { instruction: "Why?", system_prompt })).asked[0], system("Be brief."));
  }
});

void test("messages are sent as they stand, without null fields, under the system prompt unless they have one", async () => {
  const messages = [
    user("a"),
    { role: "assistant", content: "b", name: null },
    { role: "user", content: [{ type: "text", text: "c" }] },
  ];
  const { asked } = await run({ system_prompt: "Be brief." }, { messages });
  assert.deepEqual(asked, [system("Be brief."), user("a"), { role: "assistant", content: "b" }, messages[2]]);
  const own = [system("Be long."), user("a")];
  assert.deepEqual((await run({ system_prompt: "Be brief." }, { messages: own })).asked, own);
});

void test("an instruction goes before messages, unless messages are mapped", async () => {
  const row = { instruction: "Why?", messages: [user("a")] };
  assert.deepEqual((await run({}, row)).asked, [user("Why?")]);
  assert.deepEqual((await run({ columns: { messages: "chat" } }, row)).asked, [user("a")]);
});

void test("a template makes the instruction from any column", async () => {
  const { asked } = await run({ template: "About {{ topic }}: {{ question }}" }, { topic: "tea", question: "Why?" });
  assert.deepEqual(asked, [user("About tea: Why?")]);
});

const url = "https://images.example/cat.png";
const part = { type: "image_url", image_url: { url } };

void test("a row's image goes with the last message of the user, behind its text", async () => {
  const { asked } = await run({ system_prompt: "Be brief." }, { instruction: "What is it?", image: url });
  const content = [{ type: "text", text: "What is it?" }, part];
  assert.deepEqual(asked, [system("Be brief."), { role: "user", content }]);
  const messages = [
    user("a"),
    { role: "assistant", content: "b" },
    { role: "user", content: [{ type: "text", text: "c" }] },
  ];
  const ofMessages = await run({}, { messages, image: url });
  assert.deepEqual(ofMessages.asked, [
    messages[0],
    messages[1],
    { role: "user", content: [{ type: "text", text: "c" }, part] },
  ]);
  for (const image of [null, "", { bytes: null, path: null }]) {
    assert.deepEqual((await run({}, { instruction: "Why?", image })).asked, [user("Why?")]);
  }
});

void test("a template that names the image's column writes it into the text alone", async () => {
  const { asked } = await run({ template: "Describe {{ image }}" }, { image: url });
  assert.deepEqual(asked, [user(`Describe ${url}`)]);
});

void test("an image without a message of the user to go with makes the row invalid", async () => {
  const messages = [{ role: "system", content: "x" }];
  assert.match(await invalid({}, { messages, image: url }), /no message of the user/);
});

void test("the inputs say which columns are needed before the first call", () => {
  const inputsOf = (spec: object) => {
    const { inputs, oneOf, optionalInputs } = taskOf(spec);
    return [inputs, oneOf, optionalInputs];
  };
  assert.deepEqual(inputsOf({}), [[], ["instruction", "messages"], ["system_prompt", "image"]]);
  assert.deepEqual(inputsOf({ columns: { instruction: "q" } }), [
    ["instruction"],
    undefined,
    ["system_prompt", "image"],
  ]);
  assert.deepEqual(inputsOf({ columns: { messages: "q" } }), [["messages"], undefined, ["system_prompt", "image"]]);
  const template = "{{ a }}{% if b is defined %}{{ b }}{% endif %}";
  assert.deepEqual(inputsOf({ template }), [["a"], undefined, ["system_prompt", "image", "b"]]);
});

for (const [what, row, message] of [
  ["no instruction", { instruction: null }, "`instruction` is empty."],
  ["a blank instruction", { instruction: " \n" }, "`instruction` is empty."],
  ["a number for an instruction", { instruction: 5 }, "`instruction` must be a text, but is a number."],
  ["no messages", { messages: null }, "`messages` is empty."],
  ["an empty list of messages", { messages: [] }, "`messages` is an empty list."],
  ["a text for messages", { messages: "[]" }, "`messages` must be a list, but is a text."],
  ["a message that is none", { messages: ["hi"] }, "`messages.0` is a text, not a message."],
  ["a message without role", { messages: [{ content: "hi" }] }, "`messages.0` has no role."],
  [
    "a user message without content",
    { messages: [{ role: "user" }] },
    "`messages.0` must have a text or content parts, but has nothing.",
  ],
  [
    "a system prompt that is no text",
    { instruction: "hi", system_prompt: 5 },
    "`system_prompt` must be a text, but is a number.",
  ],
] as const) {
  void test(`a row with ${what} is invalid without a call`, async () => {
    assert.equal(await invalid({}, row), message);
  });
}

void test("a template that renders to nothing makes the row invalid", async () => {
  assert.equal(
    await invalid({ template: "{% if a == 'x' %}{{ a }}{% endif %}" }, { a: "y" }),
    "`instruction` is empty.",
  );
});
