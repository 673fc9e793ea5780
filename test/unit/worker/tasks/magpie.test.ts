import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError, TidingError } from "../../../../shared/errors.ts";
import type { RowValues } from "../../../../shared/rows/row-schema.ts";
import { StepSpec } from "../../../../shared/spec/job-spec.ts";
import type { ChatMessage, LLMInput, Task } from "../../../../shared/task/task.ts";
import { magpie } from "../../../../worker/tasks/magpie.ts";

const taskOf = (spec: object): Task => magpie(StepSpec.parse({ task: "magpie", ...spec }));

interface Call {
  readonly input: LLMInput;
  readonly preQuery: boolean;
  readonly turn: number | undefined;
}

interface Run {
  readonly calls: readonly Call[];
  readonly columns: RowValues;
}

/** What the model says to its calls in their order; an error is thrown. */
type Script = readonly (string | Error)[];

async function run(
  spec: object,
  {
    script = ["Q1", "A1", "Q2", "A2", "Q3", "A3"],
    row = {},
    seed = 0,
    calls = [],
  }: {
    script?: Script;
    row?: RowValues;
    seed?: number;
    calls?: Call[];
  } = {},
): Promise<Run> {
  const columns = await taskOf(spec).run({
    row,
    llm: {
      modelName: "shown-name",
      async generate(input, { preQuery = false, turn } = {}) {
        const said = script[calls.length];
        calls.push({ input: [...(input as readonly ChatMessage[])], preQuery, turn });
        if (said === undefined) return assert.fail("one call too many");
        if (said instanceof Error) throw said;
        return { text: said, reasoning: null, finishReason: "stop", inputTokens: 1, outputTokens: 1, model: "served" };
      },
    },
    signal: new AbortController().signal,
    seed,
    generation: 0,
  });
  return { calls, columns };
}

/** What the first call was given to begin with; nothing where it was given nothing. */
function firstMessage(calls: readonly Call[]): ChatMessage | undefined {
  const [call] = calls;
  assert.ok(call !== undefined && typeof call.input !== "string");
  return call.input[0];
}

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const system = (content: string) => ({ role: "system", content });

void test("the model writes the user's message from nothing, then answers it", async () => {
  const { calls, columns } = await run({});
  assert.deepEqual(calls, [
    { input: [], preQuery: true, turn: 0 },
    { input: [user("Q1")], preQuery: false, turn: 0 },
  ]);
  assert.deepEqual(columns, { instruction: "Q1", response: "A1", model_name: "shown-name" });
});

void test("several turns are one call after the other, each with all that was said before", async () => {
  const { calls, columns } = await run({ n_turns: 2, system_prompt: "S" });
  const said = [system("S"), user("Q1"), assistant("A1"), user("Q2")];
  assert.deepEqual(calls, [
    { input: said.slice(0, 1), preQuery: true, turn: 0 },
    { input: said.slice(0, 2), preQuery: false, turn: 0 },
    { input: said.slice(0, 3), preQuery: true, turn: 1 },
    { input: said.slice(0, 4), preQuery: false, turn: 1 },
  ]);
  assert.deepEqual(columns["conversation"], [user("Q1"), assistant("A1"), user("Q2"), assistant("A2")]);
});

void test("a conversation that ends with the user has no last answer, and asks for none", async () => {
  const { calls, columns } = await run({ n_turns: 2, end_with_user: true });
  assert.equal(calls.length, 3);
  assert.deepEqual(columns["conversation"], [user("Q1"), assistant("A1"), user("Q2")]);
  assert.deepEqual((await run({ end_with_user: true })).columns["conversation"], [user("Q1")]);
});

void test("only an instruction is one call", async () => {
  const { calls, columns } = await run({ only_instruction: true });
  assert.equal(calls.length, 1);
  assert.deepEqual(columns, { instruction: "Q1", model_name: "shown-name" });
});

void test("the system prompt stays in the conversation where the step asks for it", async () => {
  const included = { include_system_prompt: true };
  const { columns } = await run({ ...included, system_prompt: "S" });
  assert.deepEqual(columns["conversation"], [system("S"), user("Q1"), assistant("A1")]);
  assert.deepEqual((await run(included)).columns["conversation"], [user("Q1"), assistant("A1")]);
});

void test("a row's system prompt wins over the step's, that over the default for several turns, that over none", async () => {
  const first = async (spec: object, row?: RowValues): Promise<unknown> => {
    const { calls } = await run(spec, row === undefined ? {} : { row });
    return firstMessage(calls)?.content;
  };
  assert.equal(await first({ system_prompt: "step", n_turns: 2 }, { system_prompt: "row" }), "row");
  assert.equal(await first({ system_prompt: "step" }, { system_prompt: " " }), "step");
  assert.equal(await first({ system_prompt: "step", n_turns: 2 }, { system_prompt: null }), "step");
  assert.match(String(await first({ n_turns: 2 })), /^You are an AI assistant in a conversation of several turns/);
  assert.equal(await first({}), undefined);
  assert.equal(await first({ system_prompt: "", n_turns: 2 }), undefined, "an empty one asks for none");
  assert.equal(await first({}, { system_prompt: "row" }), "row");
});

void test("a system prompt that is no text fails the row without a call", async () => {
  const calls: Call[] = [];
  await assert.rejects(
    run({}, { row: { system_prompt: 5 }, calls }),
    (error) => isTidingError(error) && error.code === "ROW_INVALID",
  );
  assert.equal(calls.length, 0);
});

/** How often each prompt was drawn, over 10,000 rows whose seeds are spread evenly. */
async function drawn(system_prompt: unknown): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let row = 0; row < 10_000; row += 1) {
    const seed = Math.floor(((row + 0.5) / 10_000) * 2 ** 53);
    const { calls } = await run({ system_prompt }, { seed });
    const said = String(firstMessage(calls)?.content);
    counts[said] = (counts[said] ?? 0) + 1;
  }
  return counts;
}

void test("prompts are drawn by weight, and evenly where there are none", async () => {
  assert.deepEqual(await drawn(["A", "B", "C", "D"]), { A: 2_500, B: 2_500, C: 2_500, D: 2_500 });
  assert.deepEqual(await drawn({ a: "A", b: "B" }), { A: 5_000, B: 5_000 });
  assert.deepEqual(await drawn({ a: ["A", 0.7], b: { prompt: "B", weight: 0.3 }, c: ["C", 0] }), {
    A: 7_000,
    B: 3_000,
  });
});

void test("weights that miss 1 by rounding are taken in proportion, and the last seed draws as well as any", async () => {
  const tenths = Object.fromEntries(["A", "B", "C"].map((name) => [name, [name, 0.33]]));
  const counts = await drawn(tenths);
  for (const count of Object.values(counts)) assert.ok(Math.abs(count - 3_333) <= 1, JSON.stringify(counts));
  const { calls } = await run({ system_prompt: tenths }, { seed: 2 ** 53 - 1 });
  assert.deepEqual(firstMessage(calls), system("C"));
});

void test("the order of a map's names does not matter to what is drawn", async () => {
  const seed = 2 ** 51;
  const one = await run({ system_prompt: { a: "A", b: "B" } }, { seed });
  const other = await run({ system_prompt: { b: "B", a: "A" } }, { seed });
  assert.deepEqual(one, other);
});

void test("a named prompt is told by its name, a row's own by null, and a list has no such column", async () => {
  const named = { system_prompt: { formal: "F" } };
  assert.equal((await run(named)).columns["system_prompt_key"], "formal");
  assert.equal((await run(named, { row: { system_prompt: "own" } })).columns["system_prompt_key"], null);
  assert.equal("system_prompt_key" in (await run({ system_prompt: ["F"] })).columns, false);
});

const conversation = { list: { struct: { role: "string", content: "string" } } };
const model_name = "string";
const columnsOf: readonly [object, object][] = [
  [{}, { instruction: "string", response: "string", model_name }],
  [{ system_prompt: ["S"] }, { instruction: "string", response: "string", model_name }],
  [{ only_instruction: true }, { instruction: "string", model_name }],
  [{ n_turns: 2 }, { conversation, model_name }],
  [{ end_with_user: true }, { conversation, model_name }],
  [{ include_system_prompt: true }, { conversation, model_name }],
  [
    { only_instruction: true, system_prompt: { a: "A" } },
    { instruction: "string", system_prompt_key: "string", model_name },
  ],
  [
    { n_turns: 3, system_prompt: { a: ["A", 1] } },
    { conversation, system_prompt_key: "string", model_name },
  ],
];
for (const [spec, outputs] of columnsOf) {
  void test(`the columns of ${JSON.stringify(spec)} are declared, and every row has exactly them`, async () => {
    assert.deepEqual(taskOf(spec).outputs, outputs);
    for (const row of [{}, { system_prompt: "own" }]) {
      assert.deepEqual(Object.keys((await run(spec, { row })).columns), Object.keys(outputs));
    }
  });
}

void test("a message of the user ends at the first mark of a template", async () => {
  const marks = [
    "<|im_end|>",
    "<|im_start|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|endoftext|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|end|>",
    "<｜Assistant｜>",
    "<start_of_turn>",
    "<end_of_turn>",
    "[INST]",
    "[/INST]",
    "<</SYS>>",
    "</s>",
  ];
  for (const mark of marks) {
    const { columns } = await run({}, { script: [`\nWhy is a < b | c > d?${mark}assistant\nBecause.`, "A1"] });
    assert.equal(columns["instruction"], "Why is a < b | c > d?", mark);
  }
});

void test("markup and code that only look like a template stay in the message", async () => {
  for (const text of ["What does <b>x</b> mean?", "Explain `f <| g |> h`.", "Is a[INSTALL] valid?", "{{ user }} [1]"]) {
    assert.equal((await run({}, { script: [text, "A1"] })).columns["instruction"], text);
  }
});

void test("the model is asked anew where it wrote nothing for the user", async () => {
  const { calls, columns } = await run({}, { script: [" \n", "<|im_end|>\n", "Q", "A"] });
  assert.deepEqual(
    calls.map(({ input, preQuery }) => [input, preQuery]),
    [
      [[], true],
      [[], true],
      [[], true],
      [[user("Q")], false],
    ],
  );
  assert.deepEqual(columns, { instruction: "Q", response: "A", model_name: "shown-name" });
});

void test("a row whose model never writes for the user fails after three calls, with what came last", async () => {
  const calls: Call[] = [];
  await assert.rejects(run({ n_turns: 2 }, { script: ["Q", "A", "", " ", "<|eot_id|>x"], calls }), (error) => {
    assert.ok(isTidingError(error));
    assert.deepEqual([error.code, error.class, error.rawResponse], ["NO_INSTRUCTION", "row", "<|eot_id|>x"]);
    assert.match(error.message, /in turn 2, asked 3 times/);
    return true;
  });
  assert.equal(calls.length, 5);
});

for (const [at, script] of Object.entries({
  user: ["Q1", "A1", new TidingError("REQUEST_REJECTED", "no")],
  assistant: ["Q1", "A1", "Q2", new TidingError("REQUEST_REJECTED", "no")],
})) {
  void test(`a call for the ${at} that fails fails the row, and nobody else speaks in its place`, async () => {
    const calls: Call[] = [];
    await assert.rejects(
      run({ n_turns: 3 }, { script, calls }),
      (error) => isTidingError(error) && error.code === "REQUEST_REJECTED",
    );
    assert.equal(calls.length, script.length);
  });
}

void test("an answer stays as it came, an empty one too", async () => {
  const { columns } = await run({}, { script: ["Q", " <|im_end|> "] });
  assert.equal(columns["response"], " <|im_end|> ");
});
