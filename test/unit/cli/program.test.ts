import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { brokerOptions } from "../../../cli/broker-options.ts";
import { runCli } from "../../../cli/main.ts";
import { createProgram } from "../../../cli/program.ts";
import type { CliWorld } from "../../support/cli-world.ts";
import { cliWorld } from "../../support/cli-world.ts";

/** A program whose commands only note that they were reached. */
function noting(world: CliWorld, reached: string[]): Command {
  const program = createProgram(world, () => {});
  const note = (command: Command, name: string): void => {
    command.action(() => void reached.push(name));
    for (const below of command.commands) note(below, `${name} ${below.name()}`);
  };
  for (const command of program.commands) note(command, command.name());
  return program;
}

const spec = fileURLToPath(new URL("../../../../examples/quickstart/job.yaml", import.meta.url));
const folder = path.dirname(spec);
const { commands } = createProgram(cliWorld(), () => {});
const names = commands.map((command) => command.name());
/** By all its words: `endpoints list`. */
const nested = commands.flatMap((command) => command.commands.map((below) => `${command.name()} ${below.name()}`));

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
      assert.equal(reached.length, 1);
      assert.equal(reached[0]?.split(" ")[0], expected);
      if (name !== "") assert.equal(expected, name);
    }
  });
}

for (const name of nested) {
  void test(`the help of \`tiding ${name}\` has examples that parse, exit codes, and what comes next`, async () => {
    const world = cliWorld();
    assert.equal(await runCli([...name.split(" "), "--help"], world), 0);
    const whole = world.stdout.text.replaceAll(/ \\\n +/g, " ");
    const examples = [...whole.matchAll(/^ {2}\$ tiding (.*)$/gm)].map((match) => match[1] ?? "");
    assert.ok(examples.length > 0);
    for (const example of examples) {
      const reached: string[] = [];
      await noting(world, reached).parseAsync(wordsOf(example), { from: "user" });
      assert.deepEqual(reached, [name]);
    }
    assert.match(world.stdout.text, /^Exit codes:[^]*^Next: /m);
    assert.deepEqual(
      world.stdout.text.split("\n").filter((line) => line.length > 100),
      [],
    );
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
    [["rum", "job.yaml"], /Unknown command 'rum'\.\n[^]*mend: Did you mean run\? `tiding --help`/],
    [
      ["run", "job.yaml", "--limt", "3"],
      /Unknown option '--limt'\.\n[^]*mend: Did you mean --limit\? `tiding run --help`/,
    ],
    [["help", "rum"], /Unknown command 'rum'\.\n[^]*mend: Did you mean run\?/],
    [["run"], /Missing required argument 'job'\.\n/],
    [["run", "a.yaml", "b.yaml"], /Too many arguments/],
    [["run", "job.yaml", "-n", "few"], /argument 'few' is invalid/],
    [["run", "job.yaml", "--set", "slots"], /Expected key=value/],
    [["preview", "job.yaml", "-n", "0"], /above 0/],
    [["simulate", "--fault", "429"], /Expected kind=share/],
    [["simulate", "--fault", "428=0.1"], /Expected a kind that there is: 429, /],
    [["simulate", "--stragglers", "2"], /from 0 to 1/],
    [["simulate", "--port", "65536"], /from 0 to 65535/],
    [
      ["simulate", "--port", "0", "--host", "nowhere.invalid"],
      /cannot listen on nowhere\.invalid:0[^]*another address/,
    ],
  ] as const;
  for (const [argv, expected] of cases) {
    const world = cliWorld();
    assert.equal(await runCli(argv, world), 2, argv.join(" "));
    assert.match(world.stderr.text, expected);
    assert.equal(world.stdout.text, "");
  }
});

void test("flags about a broker are refused where none is named, and those that exclude one another with one", async () => {
  const nats = ["--broker", "nats://127.0.0.1:1"];
  const cases = [
    [["run", spec, "--no-work"], /^ {2}--no-work is about a broker, and none is named\.$/m],
    [["run", spec, "--namespace", "a", "--replicas", "3"], /--namespace, --replicas are about a broker/],
    [["status", folder, "--namespace", "a"], /--namespace is about a broker/],
    [["jobs", ...nats, "--broker-creds", spec, "--broker-nkey", spec], /two ways to sign in/],
    [["jobs", ...nats, "--broker-cert", spec], /takes its key[^]*at: --broker-cert/],
    [["worker", ...nats, "--folder", spec], /no such folder for modules/],
  ] as const;
  for (const [argv, expected] of cases) {
    const world = cliWorld();
    assert.equal(await runCli(argv, world), 2, argv.join(" "));
    assert.match(world.stderr.text, expected);
  }
});

void test("a flag to sign in with wins over the variable of the other way", async () => {
  const nats = { TIDING_BROKER: "nats://127.0.0.1:1", TIDING_BROKER_NKEY: "/nonexistent", TIDING_BROKER_CREDS: "" };
  const options = await brokerOptions({ brokerCreds: spec }, nats);
  assert.deepEqual(options?.credentials, { credsFile: await readFile(spec, "utf8") });
});

void test("a file in the place of an output folder is told to be one", async () => {
  for (const command of ["status", "retry"]) {
    const world = cliWorld();
    assert.equal(await runCli([command, spec], world), 2);
    assert.match(world.stderr.text, /is a file, and not the output folder[^]*mend: .*`output\.path`/);
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
