import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { jobSpecJsonSchema, schemaAt } from "../../../../shared/spec/json-schema.ts";
import { loadSpec } from "../../../../shared/spec/load-spec.ts";
import { loadModule } from "../../../../shared/task/module-code.ts";
import { loadTask } from "../../../../worker/tasks/load-task.ts";

const ajv = new Ajv2020({ allErrors: true, strictTypes: false });
const schema = jobSpecJsonSchema();
const validate = ajv.compile(schema);
const examples = new URL("../../../../../examples/", import.meta.url);

void test("the quickstart's job validates against the published schema and loads", async () => {
  const file = new URL("quickstart/job.yaml", examples);
  assert.ok(validate(parse(await readFile(file, "utf8"))), JSON.stringify(validate.errors));
  const { spec } = await loadSpec(fileURLToPath(file), { environment: {} });
  assert.equal(spec.steps[0]?.llm?.base_url, "http://127.0.0.1:8080");
});

void test("the Magpie example, a job without an input, validates and loads with its task", async () => {
  const file = fileURLToPath(new URL("magpie/job.yaml", examples));
  assert.ok(validate(parse(await readFile(file, "utf8"))), JSON.stringify(validate.errors));
  const { spec, folder } = await loadSpec(file, { environment: {} });
  const [step] = spec.steps;
  assert.ok(step !== undefined);
  assert.deepEqual(Object.keys((await loadTask(step, { folder })).task.outputs), [
    "instruction",
    "response",
    "system_prompt_key",
    "model_name",
  ]);
  assert.equal(spec.input.limit, 1_000);
});

void test("the custom task's job, a module that imports this package, validates and loads with its task", async () => {
  const file = fileURLToPath(new URL("custom-task/job.ts", examples));
  const { exported } = await loadModule(file);
  assert.ok(validate(exported), JSON.stringify(validate.errors));
  const { spec, folder } = await loadSpec(file, { environment: {} });
  const [step] = spec.steps;
  assert.ok(step !== undefined);
  const { task } = await loadTask(step, { folder });
  assert.deepEqual(task.outputs, { answer: "string", critique: "string" });
});

void test("unknown keys are refused at every level, and generation_kwargs stays open", () => {
  const llm = { base_url: "http://h", generation_kwargs: { min_p: 0.1 } };
  const job = { input: { path: "a" }, steps: [{ task: "t", llm }], output: { path: "o" } };
  assert.ok(validate(job), JSON.stringify(validate.errors));
  for (const wrong of [
    { ...job, extra: 1 },
    { ...job, input: { path: "a", extra: 1 } },
    { ...job, steps: [{ task: "t", llm, extra: 1 }] },
    { ...job, steps: [{ task: "t", llm: { ...llm, extra: 1 } }] },
    { ...job, run: { extra: 1 } },
  ]) {
    assert.equal(validate(wrong), false);
    assert.ok(validate.errors?.some(({ keyword }) => keyword === "additionalProperties"));
  }
});

/** The keys of every map in the schema that have no description, by where they stand. */
function undescribed(node: unknown, place = ""): string[] {
  if (typeof node !== "object" || node === null) return [];
  const { properties = {} } = node as { properties?: Record<string, { description?: string }> };
  const here = Object.entries(properties).filter(([, { description = "" }]) => description === "");
  return [
    ...here.map(([key]) => `${place}/${key}`),
    ...Object.entries(node).flatMap(([key, value]) => undescribed(value, `${place}/${key}`)),
  ];
}

void test("every key has a description", () => {
  assert.deepEqual(undescribed(schema), []);
});

void test("keys carry descriptions and defaults for editors", () => {
  assert.equal(schemaAt(schema, ["steps", 0, "llm", "slots"])?.description, "Requests in flight to each endpoint.");
  assert.equal(schemaAt(schema, ["run", "seed"])?.["default"], 42);
  assert.equal(schemaAt(schema, ["output", "types", "a", "list"]) === null, false);
  assert.equal(schemaAt(schema, ["steps", 0, "nothing"]), null);
});
