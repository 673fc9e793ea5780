import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "commander";
import { runCli } from "../../../cli/main.ts";
import { createProgram } from "../../../cli/program.ts";
import type { CliWorld } from "../../support/cli-world.ts";
import { cliWorld } from "../../support/cli-world.ts";

/** A program whose commands only note that they were reached. */
function noting(world: CliWorld, reached: string[]): Command {
  const program = createProgram(world, () => {});
  for (const command of program.commands) command.action(() => void reached.push(command.name()));
  return program;
}

const names = createProgram(cliWorld(), () => {}).commands.map((command) => command.name());

/** The words of a shell line before a pipe or redirection; examples quote nothing. */
function wordsOf(line: string): string[] {
  return (line.split(/ [|>]/)[0] ?? "").split(" ").filter((word) => word !== "");
}

for (const name of ["", ...names]) {
  void test(`every example in the help of \`tiding ${name}\` parses`, async () => {
    const world = cliWorld();
    assert.equal(await runCli(name === "" ? ["--help"] : ["help", name], world), 0);
    const examples = [...world.stdout.text.matchAll(/^ {2}\$ tiding (.*)$/gm)].map((match) => match[1] ?? "");
    assert.ok(examples.length >= 2 && examples.length <= 4, `${examples.length} examples`);
    for (const example of examples) {
      const [expected, ...rest] = wordsOf(example);
      const reached: string[] = [];
      await noting(world, reached).parseAsync([expected ?? "", ...rest], { from: "user" });
      assert.deepEqual(reached, [expected]);
      if (name !== "") assert.equal(expected, name);
    }
  });
}

void test("every help text says what the exit codes are and where to look next, within 100 columns", async () => {
  for (const name of ["", ...names]) {
    const world = cliWorld();
    await runCli(name === "" ? ["--help"] : [name, "--help"], world);
    assert.match(world.stdout.text, /Exit codes:|exit codes/i);
    assert.match(world.stdout.text, /^Next: /m);
    assert.ok(
      world.stdout.text.split("\n").every((line) => line.length <= 100),
      name,
    );
    assert.equal(world.stderr.text, "");
  }
});

void test("wrong usage exits with 2 and a suggestion, on standard error", async () => {
  const cases = [
    [["rum", "job.yaml"], /unknown command 'rum'[^]*Did you mean run\?[^]*tiding --help/],
    [["run", "job.yaml", "--limt", "3"], /unknown option '--limt'[^]*Did you mean --limit\?[^]*tiding run --help/],
    [["run"], /missing required argument 'job'/],
    [["run", "a.yaml", "b.yaml"], /too many arguments/],
    [["run", "job.yaml", "-n", "few"], /argument 'few' is invalid/],
    [["run", "job.yaml", "--set", "slots"], /Expected key=value/],
    [["preview", "job.yaml", "-n", "0"], /above 0/],
    [["simulate", "--fault", "429"], /Expected kind=share/],
    [["simulate", "--stragglers", "2"], /from 0 to 1/],
  ] as const;
  for (const [argv, expected] of cases) {
    const world = cliWorld();
    assert.equal(await runCli(argv, world), 2, argv.join(" "));
    assert.match(world.stderr.text, expected);
    assert.equal(world.stdout.text, "");
  }
});

void test("with --json wrong usage is one JSON document on standard output", async () => {
  const world = cliWorld();
  assert.equal(await runCli(["status", "--json"], world), 2);
  const { error } = JSON.parse(world.stdout.text) as { error: Record<string, unknown> };
  assert.deepEqual(Object.keys(error), ["code", "message", "place", "mend"]);
  assert.equal(error["code"], "USAGE");
  assert.equal(world.stderr.text, "");
});

void test("without a command the help goes to standard error", async () => {
  const world = cliWorld();
  assert.equal(await runCli([], world), 2);
  assert.match(world.stderr.text, /^Usage: tiding/);
});

void test("the options of a repeatable flag add up, in order", async () => {
  const world = cliWorld();
  const program = createProgram(world, () => {});
  const run = program.commands.find((command) => command.name() === "run");
  run?.action(() => {});
  await program.parseAsync(["run", "job.yaml", "-s", "a=1", "--set", "b=x=y"], { from: "user" });
  assert.deepEqual(run?.opts()["set"], ["a=1", "b=x=y"]);
});
