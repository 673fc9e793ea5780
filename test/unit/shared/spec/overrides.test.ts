import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { applyOverrides } from "../../../../shared/spec/overrides.ts";
import { parseSpecText } from "../../../../shared/spec/spec-source.ts";

const written = () =>
  parseSpecText("input: { path: [a, b, c] }\nsteps:\n  - task: x\n    options: { deep: { k: 1 } }\n", "job.yaml");
const set = (...overrides: string[]): unknown => applyOverrides(written(), overrides).value;

function refusal(...overrides: string[]): string[] {
  try {
    set(...overrides);
  } catch (error) {
    if (isTidingError(error)) return [error.code, error.place ?? "", error.message, error.mend ?? ""];
    throw error;
  }
  return assert.fail("the override was accepted");
}

for (const [text, value] of [
  ["0.3", 0.3],
  ["true", true],
  ["plain text", "plain text"],
  ["", ""],
  ["[a, 1]", ["a", 1]],
  ["{a: 1}", { a: 1 }],
  ['"0.3"', "0.3"],
  ["'null'", "null"],
  ["You are: nice # really", "You are: nice # really"],
  ["#fff", "#fff"],
  ["- dash", "- dash"],
  ["*star", "*star"],
  ["{{ question }}", "{{ question }}"],
  ["{% if a %}b{% endif %}", "{% if a %}b{% endif %}"],
  ["${HF_TOKEN}", "${HF_TOKEN}"],
  ["a=b", "a=b"],
] as const) {
  void test(`--set reads ${JSON.stringify(text)} as ${JSON.stringify(value)}`, () => {
    const { options } =
      (set(`steps.0.options=keep`, `steps.0.options=${text}`) as { steps: { options: unknown }[] }).steps[0] ?? {};
    assert.deepEqual(options, value);
  });
}

void test("an override changes one key and makes the maps and lists on its way", () => {
  assert.deepEqual(set("steps.0.options.deep.k=2", "run.seed=1", "output.columns.0=a", "output.columns.1=b"), {
    input: { path: ["a", "b", "c"] },
    steps: [{ task: "x", options: { deep: { k: 2 } } }],
    run: { seed: 1 },
    output: { columns: ["a", "b"] },
  });
});

void test("null takes a key or an entry out, and an index at the end appends", () => {
  assert.deepEqual(set("steps.0.options=null", "input.path.0=null", "input.path.2=d", "steps.1.task=y"), {
    input: { path: ["b", "c", "d"] },
    steps: [{ task: "x" }, { task: "y" }],
  });
});

void test("a quoted key may hold dots, and is never an index", () => {
  assert.deepEqual(set('steps.0.columns."a.b"=c', 'steps.0.rename."0"=d'), {
    input: { path: ["a", "b", "c"] },
    steps: [{ task: "x", options: { deep: { k: 1 } }, columns: { "a.b": "c" }, rename: { "0": "d" } }],
  });
});

void test("an override does not reach through a YAML alias into its other uses", () => {
  const source = parseSpecText("a: &x { k: 1 }\nb: *x\n", "job.yaml");
  assert.deepEqual(applyOverrides(source, ["a.k=2"]).value, { a: { k: 2 }, b: { k: 1 } });
});

void test("what an override set has the override as its place, and the rest keeps the file's", () => {
  const { placeOf } = applyOverrides(written(), [
    "steps.0.options=5",
    "input.path.0=null",
    "runn.seed=2",
    "steps.1.name=b",
  ]);
  assert.equal(placeOf(["runn"], true), "--set runn.seed");
  assert.equal(placeOf(["steps", 1, "task"]), "--set steps.1.name");
  assert.equal(placeOf(["steps", 0, "options", "k"]), "--set steps.0.options");
  assert.equal(placeOf(["steps", 0, "task"]), "job.yaml:3:11");
  assert.equal(placeOf(["input", "path", 0]), "--set input.path.0");
  assert.equal(
    placeOf(["input", "path", 1]),
    "job.yaml:1:10",
    "indexes of the file no longer hold in a shortened list",
  );
});

void test("overrides that cannot be applied are refused by name, all at once, without their values", () => {
  assert.deepEqual(refusal("steps.5.task=sesame"), [
    "SPEC_INVALID",
    "--set steps.5.task",
    "`steps` is a list of 1, and has no place for 5.",
    "Give an index from 0 to 1; the last one appends.",
  ]);
  assert.deepEqual(refusal("steps.0.task.x=sesame").slice(1), [
    "--set steps.0.task.x",
    "`steps.0.task` is a single value, and has no key x.",
    "Set `steps.0.task` as a whole.",
  ]);
  assert.deepEqual(refusal("steps.0.options=[sesame").slice(1), [
    "--set steps.0.options",
    "The value is not valid YAML.",
    "Close its quotes and brackets, or put the whole text into quotes.",
  ]);
  assert.deepEqual(refusal("sesame").slice(2), ["This is not a key and a value.", "Write it as steps.0.llm.slots=8."]);
  const [, , both] = refusal("a", "steps.x=1");
  assert.match(both ?? "", /^The spec has 2 errors:\n {2}--set a: .*\n {2}--set steps\.x: /);
});
