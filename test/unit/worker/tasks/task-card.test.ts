import assert from "node:assert/strict";
import { test } from "node:test";
import { specFromObject } from "../../../../shared/spec/load-spec.ts";
import type { LoadedSpec } from "../../../../shared/spec/loaded-spec.ts";
import { parseSpecText } from "../../../../shared/spec/spec-source.ts";
import type { ColumnType } from "../../../../shared/rows/row-schema.ts";
import { builtInTasks, loadTask } from "../../../../worker/tasks/load-task.ts";

const folder = import.meta.dirname;

function exampleOf(text: string): LoadedSpec {
  return specFromObject(parseSpecText(text, "example.yaml").value, { folder, environment: {} });
}

for (const card of builtInTasks()) {
  void test(`the example of ${card.name} is a spec that passes every check and has a step with the task`, () => {
    const { spec } = exampleOf(card.example);
    assert.ok(spec.steps.some(({ task }) => task === card.name));
  });

  void test(`the card of ${card.name} knows every column of the task that its example makes`, async () => {
    const { spec } = exampleOf(card.example);
    const step = spec.steps.find(({ task }) => task === card.name);
    assert.ok(step !== undefined);
    const { task } = await loadTask(step, { folder });
    for (const input of [...task.inputs, ...(task.oneOf ?? []), ...(task.optionalInputs ?? [])]) {
      assert.ok(Object.hasOwn(card.inputs, input), `input ${input}`);
    }
    const outputs: Record<string, ColumnType | "inferred"> = isNames(task.outputs)
      ? Object.fromEntries(task.outputs.map((name) => [name, "inferred"]))
      : task.outputs;
    for (const [name, type] of Object.entries(outputs)) assert.deepEqual(card.outputs[name]?.type, type, name);
  });

  void test(`every key and column of the card of ${card.name} is explained in sentences`, () => {
    const { does, inputs, outputs, keys } = card;
    const columns = [...Object.values(inputs), ...Object.values(outputs)].map((column) => column.does);
    for (const text of [does, ...columns, ...Object.values(keys)]) assert.match(text, /^[A-Z`].*\.$/s);
  });
}

function isNames(outputs: readonly string[] | object): outputs is readonly string[] {
  return Array.isArray(outputs);
}
