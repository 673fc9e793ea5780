import assert from "node:assert/strict";
import { test } from "node:test";
import { runCli } from "../../../cli/main.ts";
import { renderTask } from "../../../cli/tasks-view.ts";
import { builtInTasks } from "../../../worker/tasks/load-task.ts";
import { cliWorld } from "../../support/cli-world.ts";

void test("tiding tasks lists every built-in task, and with a name its columns, keys and an example", async () => {
  const names = builtInTasks().map(({ name }) => name);
  const all = cliWorld();
  assert.equal(await runCli(["tasks"], all), 0);
  for (const name of names) assert.match(all.stdout.text, new RegExp(`^${name} `, "m"));

  const one = cliWorld();
  assert.equal(await runCli(["tasks", "text-generation"], one), 0);
  for (const part of [/^reads$/m, /^ {2}instruction +one of +The user's/m, /^returns$/m, /^ {2}template +A Jinja/m]) {
    assert.match(one.stdout.text, part);
  }
  assert.match(one.stdout.text, /^example\n {2}input: /m);
});

void test("with --json the tasks are one document whose example can be written to a file as it stands", async () => {
  const world = cliWorld();
  assert.equal(await runCli(["tasks", "text-generation", "--json"], world), 0);
  const { version, tasks } = JSON.parse(world.stdout.text) as { version: number; tasks: Record<string, unknown>[] };
  assert.deepEqual([version, tasks.length], [1, 1]);
  assert.deepEqual(Object.keys(tasks[0] ?? {}).toSorted(), ["does", "example", "inputs", "keys", "name", "outputs"]);
  assert.match(String(tasks[0]?.["example"]), /^input: .*\n$/s);
});

void test("a task that does not exist is a usage error with the name that was likely meant", async () => {
  const world = cliWorld();
  assert.equal(await runCli(["tasks", "textgeneration"], world), 2);
  assert.match(world.stderr.text, /There is no task "textgeneration"[^]*Did you mean text-generation\?/);
});

void test("a task is shown within the width of a terminal, down to what cannot be broken", () => {
  for (const task of builtInTasks()) {
    const example = task.example.split("\n").map((line) => `  ${line}`);
    for (const line of renderTask(task, { width: 72, colour: false, unicode: true })) {
      assert.ok(line.length <= 72 || example.includes(line), line);
    }
  }
});
