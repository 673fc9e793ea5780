import assert from "node:assert/strict";
import { test } from "node:test";
import { differences, fingerprintDocument, fingerprintOf } from "../../../../shared/spec/fingerprint.ts";
import type { FingerprintFacts } from "../../../../shared/spec/fingerprint.ts";
import type { JobSpecInput } from "../../../../shared/spec/job-spec.ts";
import { specFromObject } from "../../../../shared/spec/load-spec.ts";

const base = {
  input: { path: "rows.jsonl" },
  steps: [
    {
      task: "text-generation",
      system_prompt: "Answer.",
      llm: { base_url: "http://a", api_key: "${KEY}", generation_kwargs: { temperature: 0.7 } },
    },
  ],
  output: { path: "out" },
} satisfies JobSpecInput;

interface Change {
  readonly spec?: Partial<JobSpecInput>;
  readonly step?: object;
  readonly llm?: object;
  readonly facts?: Partial<FingerprintFacts>;
  readonly stepFacts?: Partial<FingerprintFacts["steps"][number]>;
}

function documentOf(change: Change = {}) {
  const [step] = base.steps;
  const steps = [{ ...step, ...change.step, llm: { ...step?.llm, ...change.llm } }];
  const { spec } = specFromObject({ ...base, steps, ...change.spec }, { folder: ".", environment: {} });
  return fingerprintDocument({
    spec,
    inputFiles: [{ path: "/here/rows.jsonl", bytes: 10, sample: "aa" }],
    inputSchema: [{ name: "instruction", type: "string" }],
    steps: [
      {
        taskCode: null,
        llmCode: null,
        chatTemplate: null,
        servedModels: [{ model: "m", revision: "r1" }],
        ...change.stepFacts,
      },
    ],
    ...change.facts,
  });
}

const kept = documentOf();
const changed = (change: Change): string[] => differences(kept, documentOf(change));

void test("what does not change rows is not in the fingerprint", () => {
  const { path: _, ...rest } = base.input;
  const same: Change[] = [
    { spec: { name: "other" } },
    { spec: { input: { ...rest, path: "elsewhere/rows.jsonl", limit: 5 } } },
    { spec: { output: { path: "other", format: "jsonl", part_bytes: 5, part_age: 5, ordered: false } } },
    {
      spec: { run: { attempts: 1, shard_rows: 1, flush_interval: 5, endpoint_wait: 5, grace: 5, stop_after_alike: 0 } },
    },
    { llm: { base_url: ["http://b", "http://c"], slots: 5, stream: true, request_timeout: 5, idle_timeout: 5 } },
    { llm: { headers: { "X-Team": "t" }, api_key: "${OTHER}", model_id: "m" } },
    { llm: { endpoint_name: "e", endpoint_namespace: "team", bill_to: "team", use_openai_client: false } },
    { llm: { endpoint_name: "e", endpoint: { ensure: "running", when_done: "pause" } } },
    { step: { name: "other" } },
    { facts: { inputFiles: [{ path: "/there/rows.jsonl", bytes: 10, sample: "aa" }] } },
    {
      stepFacts: {
        servedModels: [
          { model: "m", revision: "r1" },
          { model: "m", revision: null },
        ],
      },
    },
  ];
  for (const change of same) {
    assert.deepEqual(changed(change), []);
    assert.equal(fingerprintOf(documentOf(change)), fingerprintOf(kept));
  }
});

void test("what changes rows or columns is in it, and a difference names the key with both values", () => {
  const expected: [Change, string][] = [
    [
      { llm: { generation_kwargs: { temperature: 0.9 } } },
      "steps.0.llm.generation_kwargs.temperature was 0.7, is now 0.9.",
    ],
    [{ llm: { generation_kwargs: {} } }, "steps.0.llm.generation_kwargs.temperature was 0.7, is not set now."],
    [{ llm: { use_openai_client: true } }, "steps.0.llm.use_openai_client was not set, is now true."],
    [{ step: { template: "{{ a }}" } }, 'steps.0.template was not set, is now "{{ a }}".'],
    [{ step: { num_generations: 2 } }, "steps.0.num_generations was 1, is now 2."],
    [{ spec: { run: { seed: 1 } } }, "seed was 42, is now 1."],
    [{ spec: { input: { path: "rows.jsonl", offset: 3 } } }, "input.offset was 0, is now 3."],
    [{ spec: { output: { path: "out", metadata: false } } }, "output.metadata was true, is now false."],
    [{ stepFacts: { taskCode: "c1" } }, 'steps.0.task_code was not set, is now "c1".'],
    [
      { stepFacts: { servedModels: [{ model: "m", revision: "r2" }] } },
      'steps.0.llm.models.0.revisions.0 was "r1", is now "r2".',
    ],
    [
      { facts: { inputFiles: [{ path: "rows.jsonl", bytes: 11, sample: "aa" }] } },
      "input.files.0.bytes was 10, is now 11.",
    ],
    [
      { facts: { inputSchema: [{ name: "instruction", type: "json" }] } },
      'input.columns.0.type was "string", is now "json".',
    ],
  ];
  for (const [change, sentence] of expected) {
    assert.deepEqual(changed(change), [sentence]);
    assert.notEqual(fingerprintOf(documentOf(change)), fingerprintOf(kept));
  }
});

const magpie = {
  task: "magpie-generator",
  llm: { base_url: "http://a", tokenizer_id: "org/model" },
};
const magpieOf = (step: object = {}, llm: object = {}, input: object = { generate: { rows: 5 } }) => {
  const steps = [{ ...magpie, ...step, llm: { ...magpie.llm, ...llm } }];
  const { spec } = specFromObject({ input, steps, output: { path: "out" } }, { folder: ".", environment: {} });
  const code = { taskCode: null, llmCode: null, chatTemplate: null, servedModels: [] };
  return fingerprintDocument({ spec, inputFiles: [], inputSchema: [], steps: [code] });
};

void test("how many rows are generated is not in the fingerprint, however it is said, and that they are is", () => {
  const generated = magpieOf();
  assert.deepEqual(differences(generated, magpieOf({}, {}, { generate: { rows: 50 } })), []);
  assert.deepEqual(differences(generated, magpieOf({ num_rows: 9 }, {}, {})), []);
  assert.ok(differences(kept, generated).includes("input.generated was not set, is now true."));
});

void test("Magpie's defaults may be written out, and what decides its conversations is in the fingerprint", () => {
  const written = { n_turns: 1, end_with_user: false, include_system_prompt: false, only_instruction: false };
  assert.deepEqual(differences(magpieOf(), magpieOf(written, { use_magpie_template: true })), []);
  const changes: [ReturnType<typeof magpieOf>, string][] = [
    [magpieOf({ n_turns: 2 }), "steps.0.n_turns was 1, is now 2."],
    [magpieOf({ system_prompt: ["a"] }), 'steps.0.system_prompt was not set, is now ["a"].'],
    [magpieOf({}, { tokenizer_id: "other" }), 'steps.0.llm.tokenizer_id was "org/model", is now "other".'],
    [
      magpieOf({}, { magpie_pre_query_template: "llama3" }),
      'steps.0.llm.magpie_pre_query_template was not set, is now "llama3".',
    ],
  ];
  for (const [document, sentence] of changes) assert.deepEqual(differences(magpieOf(), document), [sentence]);
});

void test("a job without Magpie has none of its keys in the document", () => {
  assert.doesNotMatch(JSON.stringify(kept), /n_turns|num_rows|generated|tokenizer|magpie/);
});

void test("long values are shown from where they begin to differ", () => {
  const start = "Think about it with care. ".repeat(20);
  const before = documentOf({ step: { system_prompt: `${start}Answer in English.` } });
  const after = documentOf({ step: { system_prompt: `${start}Answer in French.` } });
  assert.deepEqual(differences(before, after), [
    'steps.0.system_prompt was …Answer in English.", is now …Answer in French.".',
  ]);
});

void test("a custom task counts by its code and not by its file", () => {
  const moved = (task: string, taskCode: string) =>
    documentOf({ step: { task, system_prompt: undefined }, stepFacts: { taskCode } });
  assert.equal(fingerprintOf(moved("./a.ts", "c1")), fingerprintOf(moved("./b/a.ts", "c1")));
  assert.notEqual(fingerprintOf(moved("./a.ts", "c1")), fingerprintOf(moved("./a.ts", "c2")));
});

void test("the order of keys does not matter, the document survives JSON, and it holds no secret reference", () => {
  const text = JSON.stringify(kept);
  assert.equal(fingerprintOf(JSON.parse(text) as typeof kept), fingerprintOf(kept));
  assert.equal(fingerprintOf({ a: 1, b: { c: 2, d: 3 } }), fingerprintOf({ b: { d: 3, c: 2 }, a: 1 }));
  assert.ok(!text.includes("KEY") && !text.includes("http://"));
  assert.match(fingerprintOf(kept), /^[0-9a-f]{64}$/);
});

void test("a structured output is in the fingerprint with the order of its properties, however it is written", () => {
  const schema = { type: "object", properties: { b: { type: "string" }, a: { type: "string" } } };
  const turned = { type: "object", properties: { a: { type: "string" }, b: { type: "string" } } };
  const withForm = (structured_output: object) => documentOf({ llm: { structured_output } });
  assert.deepEqual(differences(withForm({ schema }), withForm({ format: "json", schema: JSON.stringify(schema) })), []);
  assert.equal(differences(withForm({ schema }), withForm({ schema: turned })).length, 1);
  assert.match(changed({ llm: { structured_output: { schema } } })[0] ?? "", /structured_output was not set/);
  assert.deepEqual(changed({ step: { structured_retries: 5 } }), []);
});
