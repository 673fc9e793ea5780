import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { specFromObject } from "../../../../shared/spec/load-spec.ts";

const base_url = "http://127.0.0.1:8080";
const rendered = { base_url, tokenizer_id: "org/model" };

interface Change {
  readonly step?: object;
  readonly llm?: object;
  readonly input?: object | null;
}

function specOf({ step, llm = rendered, input = { path: "rows.jsonl" } }: Change): object {
  const steps = [{ task: "magpie", llm, ...step }];
  return { ...(input === null ? {} : { input }), steps, output: { path: "out" } };
}

const load = (change: Change) => specFromObject(specOf(change), { folder: ".", environment: {} });

/** The place and the message of the one error that a spec has. */
function errorOf(change: Change): readonly [string | undefined, string] {
  try {
    load(change);
  } catch (error) {
    if (!isTidingError(error) || error.code !== "SPEC_INVALID") throw error;
    assert.ok((error.mend ?? "").length > 10, "a mend");
    return [error.place, error.message];
  }
  return assert.fail("the spec was accepted");
}

const generator = { task: "magpie-generator", num_rows: 5 };
const custom = { class: "./my-llm.ts" };

const accepted: Record<string, Change> = {
  "all of Magpie's keys": {
    step: {
      n_turns: 3,
      end_with_user: true,
      include_system_prompt: true,
      system_prompt: ["a", "b"],
      num_generations: 2,
    },
    llm: { ...rendered, use_magpie_template: true, magpie_pre_query_template: "llama3" },
  },
  "an LLM of one's own, which needs no tokenizer": { llm: custom },
  "a generator without an input": { step: generator, input: null },
  "a generator over generated rows": { step: { task: "magpie-generator" }, input: { generate: { rows: 5 } } },
  "a generator with a limit": { step: generator, input: { limit: 3 } },
  "magpie over generated rows": { input: { generate: { rows: 5 } } },
  "only_instruction with defaults written out": {
    step: { only_instruction: true, n_turns: 1, end_with_user: false, include_system_prompt: false },
  },
  "weights that miss 1 by rounding": { step: { system_prompt: { a: ["x", 0.33], b: ["y", 0.33], c: ["z", 0.33] } } },
  "ten weights of 0.1": {
    step: { system_prompt: Object.fromEntries(Array.from("abcdefghij", (name) => [name, [name, 0.1]])) },
  },
  "a text-generation step that renders here": { step: { task: "text-generation" } },
};
for (const [what, change] of Object.entries(accepted)) {
  void test(`${what} is accepted`, () => {
    load(change);
  });
}

const text = { task: "text-generation" };
const refused: Record<string, readonly [Change, string, RegExp]> = {
  "a missing tokenizer": [{ llm: { base_url } }, "steps.0.llm.tokenizer_id", /the task magpie needs it/],
  "a missing LLM": [{ step: { llm: undefined } }, "steps.0.llm", /calls a model/],
  "use_magpie_template without a tokenizer": [
    { step: text, llm: { base_url, use_magpie_template: true } },
    "steps.0.llm.tokenizer_id",
    /`use_magpie_template` needs it/,
  ],
  "a pre-query template without a tokenizer": [
    { step: text, llm: { base_url, magpie_pre_query_template: "x" } },
    "steps.0.llm.tokenizer_id",
    /`magpie_pre_query_template` needs it/,
  ],
  "magpie with the template switched off": [
    { llm: { ...rendered, use_magpie_template: false } },
    "steps.0.llm.use_magpie_template",
    /cannot do without/,
  ],
  "a Magpie key on text-generation": [{ step: { ...text, n_turns: 1 } }, "steps.0.n_turns", /magpie-generator only/],
  "a Magpie key that is false on text-generation": [
    { step: { ...text, only_instruction: false } },
    "steps.0.only_instruction",
    /magpie-generator only/,
  ],
  "a Magpie key on a task of one's own": [
    { step: { task: "./t.ts", end_with_user: true } },
    "steps.0.end_with_user",
    /magpie-generator only/,
  ],
  "several system prompts on text-generation": [
    { step: { ...text, system_prompt: ["a"] } },
    "steps.0.system_prompt",
    /must be one text for the task text-generation/,
  ],
  "a template on magpie": [{ step: { template: "x" } }, "steps.0.template", /text-generation only/],
  "reasoning on magpie": [{ step: { reasoning: true } }, "steps.0.reasoning", /text-generation only/],
  "only_instruction with turns": [
    { step: { only_instruction: true, n_turns: 2 } },
    "steps.0.n_turns",
    /does not go with `only_instruction`/,
  ],
  "weights that are far from 1": [
    { step: { system_prompt: { a: ["x", 0.5], b: ["y", 0.3] } } },
    "steps.0.system_prompt",
    /add up to 0\.8, not to 1/,
  ],
  "weights for some prompts only": [
    { step: { system_prompt: { a: ["x", 1], b: "y" } } },
    "steps.0.system_prompt",
    /gives weights to some prompts only/,
  ],
  "a map without prompts": [{ step: { system_prompt: {} } }, "steps.0.system_prompt", /names no system prompt/],
  "num_rows on magpie": [{ step: { num_rows: 5 } }, "steps.0.num_rows", /magpie-generator only/],
  "num_rows on text-generation": [{ step: { ...text, num_rows: 5 } }, "steps.0.num_rows", /magpie-generator only/],
  "a generator that does not say how many rows": [
    { step: { task: "magpie-generator" }, input: null },
    "steps.0.num_rows",
    /is missing/,
  ],
  "a generator over a file": [{ step: generator }, "steps.0.task", /makes its own rows/],
  "a generator told twice how many rows": [
    { step: generator, input: { generate: { rows: 5 } } },
    "steps.0.num_rows",
    /both say how many/,
  ],
  "a path beside generate": [
    { input: { path: "a.jsonl", generate: { rows: 5 } } },
    "input.generate",
    /exclude each other/,
  ],
  "a file's key beside generate": [
    { input: { generate: { rows: 5 }, format: "csv" } },
    "input.format",
    /generated rows have no columns/,
  ],
  "no input": [{ input: null }, "input", /is missing/],
  "an input without rows": [{ input: { limit: 5 } }, "input.path", /is missing/],
};
for (const [what, [change, place, message]] of Object.entries(refused)) {
  void test(`${what} is refused at ${place}`, () => {
    const [at, said] = errorOf(change);
    assert.equal(at, place, said);
    assert.match(said, message);
  });
}

void test("a generator behind another step is refused", () => {
  const spec = specOf({ step: { task: "text-generation" } }) as { steps: object[] };
  const steps = [...spec.steps, { ...generator, llm: rendered }];
  assert.throws(
    () => specFromObject({ ...spec, steps }, { folder: ".", environment: {} }),
    (error) => isTidingError(error) && error.place === "steps.1.task",
  );
});

void test("num_rows stands for an input of that many generated rows", () => {
  const { input } = load({ step: generator, input: null }).spec;
  assert.deepEqual([input.generate, input.limit, input.path], [{ rows: 5 }, 5, undefined]);
});

void test("the number of generated rows is a limit, and a smaller limit and an offset stay what they are", () => {
  const limitOf = (input: object): number | undefined => load({ input }).spec.input.limit;
  assert.equal(limitOf({ generate: { rows: 10 } }), 10);
  assert.equal(limitOf({ generate: { rows: 10 }, limit: 3 }), 3);
  assert.equal(limitOf({ generate: { rows: 10 }, limit: 30 }), 10);
  assert.equal(limitOf({ generate: { rows: 10 }, offset: 4 }), 6);
  assert.equal(limitOf({ generate: { rows: 10 }, offset: 40 }), 0);
});
