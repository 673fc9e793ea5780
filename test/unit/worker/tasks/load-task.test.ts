import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { StepSpec } from "../../../../shared/spec/job-spec.ts";
import { loadTask } from "../../../../worker/tasks/load-task.ts";
import type { LoadedTask } from "../../../../worker/tasks/load-task.ts";

const folder = await mkdtemp(path.join(tmpdir(), "tiding-task-"));
after(async () => await rm(folder, { recursive: true }));

let modules = 0;
async function load(source: string, spec: object = {}): Promise<LoadedTask> {
  const task = `./task-${++modules}.ts`;
  await writeFile(path.join(folder, task), source);
  return await loadTask(StepSpec.parse({ task, ...spec }), { folder });
}

async function refusal(source: string, spec: object = {}): Promise<string> {
  try {
    await load(source, spec);
  } catch (error) {
    if (isTidingError(error)) return `${error.code} ${error.message.replace(/task-\d+/, "task")}`;
    throw error;
  }
  return assert.fail("the task was accepted");
}

void test("a built-in task has no code hash, and its name is the step's or its own", async () => {
  const { codeHash, name } = await loadTask(StepSpec.parse({ task: "text-generation" }), { folder });
  assert.deepEqual([codeHash, name], [null, "text-generation"]);
  const named = await loadTask(StepSpec.parse({ task: "text-generation", name: "mine" }), { folder });
  assert.equal(named.name, "mine");
});

void test("a module exports a task, or a function of the step's options", async () => {
  const plain = await load("export default { inputs: [], outputs: ['a'], run: () => ({ a: 1 }) };");
  assert.equal(plain.name, `task-${modules}`);
  assert.match(plain.codeHash ?? "", /^[0-9a-f]{64}$/);
  const source =
    "export default async (o: { n: number }) => ({ inputs: [], outputs: { a: 'int32' }, run: () => ({ a: o.n }) });";
  const { task } = await load(source, { options: { n: 5 } });
  assert.deepEqual(await task.run({} as Parameters<typeof task.run>[0]), { a: 5 });
});

for (const [source, message] of [
  ["export default 5;", "its default export is a number"],
  ["export default { inputs: [], outputs: ['a'] };", "it has no method `run`"],
  ["export default { outputs: ['a'], run() {} };", "`inputs` must be a list of column names"],
  ["export default { inputs: [], outputs: [], run() {} };", "`outputs` names no column"],
  [
    "export default { inputs: [], outputs: 'a', run() {} };",
    "`outputs` must be a list of column names, or column names with their types",
  ],
  ["export default { inputs: [], outputs: { a: 'text' }, run() {} };", "`outputs.a` is not a column type"],
  [
    "export default { inputs: [], outputs: ['a'], makes: 'vector', run() {} };",
    "`makes` must be text, image or embedding",
  ],
  ["export default { inputs: [], outputs: ['a'], usesLLM: 0, run() {} };", "`usesLLM` must be true or false"],
] as const) {
  void test(`a module that exports no task is invalid: ${message}`, async () => {
    assert.equal(await refusal(source), `MODULE_INVALID The module ./task.ts exports no task: ${message}.`);
  });
}

void test("options for a task that takes none, and a function that throws, are refused", async () => {
  const plain = "export default { inputs: [], outputs: ['a'], run: () => ({}) };";
  assert.equal(
    await refusal(plain, { options: { n: 1 } }),
    "SPEC_INVALID The task ./task.ts takes no options, and the step has some.",
  );
  const throwing = "export default () => { throw new Error('no luck'); };";
  assert.equal(await refusal(throwing), "MODULE_INVALID The default export of ./task.ts threw: no luck");
});
