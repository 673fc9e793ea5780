import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import type { RowValues } from "../../../../shared/rows/row-schema.ts";
import { StepSpec } from "../../../../shared/spec/job-spec.ts";
import type { ChatMessage, GenerateOptions } from "../../../../shared/task/task.ts";
import { loadTask } from "../../../../worker/tasks/load-task.ts";

interface Asked {
  readonly system: string;
  readonly user: string;
  readonly options: GenerateOptions;
}

/** Runs a task on a row, with these answers. */
async function run(step: object, row: RowValues, answers: readonly object[], seed = 0) {
  const { task } = await loadTask(StepSpec.parse(step), { folder: "." });
  const asked: Asked[] = [];
  const columns = await task.run({
    row,
    llm: {
      modelName: "shown-name",
      generate: async (input, options = {}) => {
        const [system, user] = input as readonly ChatMessage[];
        asked.push({ system: String(system?.content), user: String(user?.content), options });
        const value = answers[asked.length - 1];
        const counts = { finishReason: "stop", inputTokens: 1, outputTokens: 1 };
        return { text: JSON.stringify(value), value, reasoning: null, model: "m", ...counts };
      },
    },
    signal: new AbortController().signal,
    seed,
    generation: 0,
  });
  return { task, asked, columns };
}

function schemaOf({ options }: Asked) {
  assert.equal(options.structuredOutput?.format, "json");
  return options.structuredOutput.schema;
}

void test("a text gets one of the labels, which the model is told with what they mean", async () => {
  const labels = { praise: "Content.", complaint: "Not content." };
  const { task, asked, columns } = await run({ task: "text-classification", labels }, { text: "Bad." }, [
    { label: "complaint" },
  ]);
  assert.deepEqual(task.inputs, ["text"]);
  assert.deepEqual(task.outputs, { label: "string", model_name: "string" });
  assert.deepEqual(columns, { label: "complaint", model_name: "shown-name" });
  assert.equal(asked[0]!.user, "Bad.");
  assert.match(asked[0]!.system, /- praise: Content\.\n- complaint: Not content\./);
  assert.deepEqual(schemaOf(asked[0]!), {
    type: "object",
    properties: { label: { enum: ["praise", "complaint"] } },
    required: ["label"],
    additionalProperties: false,
  });
});

void test("with max_labels a text gets a list", async () => {
  const step = { task: "text-classification", labels: ["a", "b", "c"], max_labels: 2 };
  const { task, asked, columns } = await run(step, { text: "x" }, [{ labels: ["c", "a"] }]);
  assert.deepEqual(task.outputs, { labels: { list: "string" }, model_name: "string" });
  assert.deepEqual(columns, { labels: ["c", "a"], model_name: "shown-name" });
  assert.deepEqual(schemaOf(asked[0]!)["properties"], {
    labels: { type: "array", items: { enum: ["a", "b", "c"] }, minItems: 1, maxItems: 2 },
  });
});

void test("a judge is asked about its aspect, and gives its reason before the score", async () => {
  const row = { instruction: "Add 2 and 2.", generation: "5" };
  const answer = { rationale: "Wrong.", score: 1 };
  const { task, asked, columns } = await run({ task: "judge", aspect: "truthfulness" }, row, [answer]);
  assert.deepEqual(task.outputs, { rationale: "string", score: "int64", model_name: "string" });
  assert.deepEqual(columns, { ...answer, model_name: "shown-name" });
  assert.match(asked[0]!.system, /nothing made up/);
  assert.match(asked[0]!.user, /Add 2 and 2\.[^]*5/);
  assert.deepEqual(Object.keys(schemaOf(asked[0]!)["properties"] as object), ["rationale", "score"]);
});

void test("an instruction evolves from turn to turn, each time by another method", async () => {
  const answers = ["one", "two", "three", "four", "five"].map((text) => ({ evolved_instruction: text }));
  const step = { task: "evol-instruct", num_evolutions: 5 };
  const { asked, columns } = await run(step, { instruction: "zero" }, answers, 3);
  assert.deepEqual(
    asked.map(({ user }) => user),
    ["zero", "one", "two", "three", "four"],
  );
  assert.deepEqual(
    asked.map(({ options }) => options.turn),
    [0, 1, 2, 3, 4],
  );
  assert.equal(new Set(asked.map(({ system }) => system)).size, 5);
  assert.deepEqual(columns, {
    evolved_instruction: "five",
    evolution_methods: ["reasoning", "breadth", "constraint", "deepening", "concretizing"],
    model_name: "shown-name",
  });
});

void test("a paraphrase, by the step's own system prompt", async () => {
  const step = { task: "paraphrase", system_prompt: "Say it as a pirate would." };
  const { asked, columns } = await run(step, { text: "Hello." }, [{ paraphrase: "Ahoy." }]);
  assert.deepEqual(columns, { paraphrase: "Ahoy.", model_name: "shown-name" });
  assert.equal(asked[0]!.system, "Say it as a pirate would.");
});

void test("a row without its text fails before anything is asked", async () => {
  for (const text of [null, "", "  ", 7, undefined]) {
    await assert.rejects(
      run({ task: "paraphrase" }, { text }, []),
      (error) => isTidingError(error) && error.code === "ROW_INVALID" && error.message.includes("`text`"),
      String(text),
    );
  }
});
