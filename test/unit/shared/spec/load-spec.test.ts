import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import type { TidingError } from "../../../../shared/errors.ts";
import { loadSpec, specFromObject } from "../../../../shared/spec/load-spec.ts";
import type { LoadedSpec } from "../../../../shared/spec/loaded-spec.ts";

const folder = await mkdtemp(path.join(tmpdir(), "tiding-spec-"));
after(async () => await rm(folder, { recursive: true }));

const VALID = `
input: { path: rows.jsonl }
steps:
  - task: text-generation
    llm: { base_url: http://127.0.0.1:8080 }
output: { path: out }
`.trimStart();

let files = 0;
async function load(
  text: string,
  options: { extension?: string; environment?: Record<string, string> } = {},
): Promise<LoadedSpec> {
  const file = path.join(folder, `job-${++files}.${options.extension ?? "yaml"}`);
  await writeFile(file, text);
  return await loadSpec(file, { environment: options.environment ?? {} });
}

/** The error as a reader sees it: code, place, message and mend; the test's folder taken out of every place. */
async function errorOf(loading: Promise<unknown>): Promise<string[]> {
  const error = await loading.then(
    () => assert.fail("the spec was accepted"),
    (thrown: unknown) => thrown,
  );
  if (!isTidingError(error)) throw error;
  return readable(error);
}

function readable(error: TidingError): string[] {
  const short = (text = ""): string => text.replaceAll(`${folder}${path.sep}`, "").replaceAll(/job-\d+/g, "job");
  return [error.code, short(error.place), short(error.message), short(error.mend)];
}

void test("a YAML spec is validated, with defaults, its folder and a name taken from the file", async () => {
  const loaded = await load(VALID);
  assert.equal(loaded.folder, folder);
  assert.equal(loaded.file, path.join(folder, `${loaded.name}.yaml`));
  assert.equal(loaded.spec.run.seed, 42);
  assert.equal(loaded.spec.steps[0]?.llm?.slots, 64);
  assert.equal(loaded.spec.run.endpoint_wait, 900_000);
});

void test("an unknown key names its place and the nearest known key", async () => {
  assert.deepEqual(await errorOf(load(VALID.replace("base_url:", "generation_kwarg: {}, base_url:"))), [
    "SPEC_INVALID",
    "job.yaml:4:12",
    "`steps.0.llm.generation_kwarg` is not a key of the spec.",
    "Did you mean `generation_kwargs`?",
  ]);
});

void test("a key at the wrong level is sent to where it belongs", async () => {
  const [, place, , mend] = await errorOf(load(VALID.replace("    llm:", "    temperature: 0.5\n    llm:")));
  assert.equal(place, "job.yaml:4:5");
  assert.equal(mend, "Did you mean `steps.0.llm.generation_kwargs.temperature`?");
});

void test("a value of the wrong type says what was expected and what came", async () => {
  assert.deepEqual(await errorOf(load(VALID.replace("rows.jsonl", "rows.jsonl, limit: many"))), [
    "SPEC_INVALID",
    "job.yaml:1:35",
    '`input.limit` must be a whole number, but is "many".',
    "Most rows to take. Raising it later extends the job.",
  ]);
});

void test("a number in quotes is told to lose them", async () => {
  const [, , , mend] = await errorOf(load(VALID.replace("rows.jsonl", 'rows.jsonl, limit: "5"')));
  assert.equal(mend, "Write 5 without quotes.");
});

void test("a value out of a set names the set and the nearest member", async () => {
  assert.deepEqual(await errorOf(load(VALID.replace("path: out", "path: out, format: parket"))), [
    "SPEC_INVALID",
    "job.yaml:5:30",
    '`output.format` must be one of parquet, jsonl, arrow, but is "parket".',
    "Did you mean `parquet`?",
  ]);
});

void test("a missing key is shown at its parent, with what it means", async () => {
  assert.deepEqual(await errorOf(load(VALID.replace("path: out", ""))), [
    "SPEC_INVALID",
    "job.yaml:5:1",
    "`output.path` is missing.",
    "Add `path`: Folder of the dataset, relative to the spec's folder.",
  ]);
});

void test("a key without a value is told from a missing one", async () => {
  const [, place, message, mend] = await errorOf(load(VALID.replace("{ path: out }", "")));
  assert.equal(place, "job.yaml:5:9");
  assert.equal(message, "`output` must be a map of keys, but is empty.");
  assert.equal(mend, "Give it a value, or take the key out.");
});

void test("all errors of a spec are listed at once, each with place and mend", async () => {
  const [code, place, message, mend] = await errorOf(
    load(VALID.replace("path: rows.jsonl", "pat: rows.jsonl").replace("http://127.0.0.1:8080", "localhost, slots: 0")),
  );
  assert.deepEqual([code, place, mend], ["SPEC_INVALID", "job.yaml:1:1", "Correct each of them."]);
  assert.equal(
    message,
    `The spec has 4 errors:
  job.yaml:1:1: \`input.path\` is missing. Add \`path\`, a file, a glob, or a list of them; or \`generate: { rows: N }\` for rows without columns.
  job.yaml:1:10: \`input.pat\` is not a key of the spec. Did you mean \`path\`?
  job.yaml:4:22: \`steps.0.llm.base_url\` must be a URL such as http://127.0.0.1:8080, but is "localhost". Where the model is served, with or without /v1; a list spreads the requests over several endpoints.
  job.yaml:4:40: \`steps.0.llm.slots\` must be more than 0, but is 0. Requests in flight to each endpoint.`,
  );
});

void test("a key that stands twice is refused at its second place", async () => {
  assert.deepEqual(await errorOf(load(`${VALID}input: { path: other.jsonl }\n`)), [
    "SPEC_INVALID",
    "job.yaml:6:1",
    "This key stands twice in the same map.",
    "Keep one of the two.",
  ]);
});

void test("YAML syntax errors name their place and never quote the file", async () => {
  const [code, place, message] = await errorOf(load(`${VALID}llm: !hf_sesame x\n`));
  assert.deepEqual([code, place], ["SPEC_INVALID", "job.yaml:6:6"]);
  assert.equal(message, "The YAML is not valid: Unresolved tag.");
  const [, tab] = await errorOf(load("input:\n\tpath: x\n"));
  assert.equal(tab, "job.yaml:2:1");
});

void test("a reference that needs quotes is told so, and the echoes of a syntax error are left out", async () => {
  assert.deepEqual(await errorOf(load(VALID.replace("rows.jsonl", "${ROWS}"))), [
    "SPEC_INVALID",
    "job.yaml:1:17",
    "A reference stands without quotes inside { } or [ ], where its brace has a meaning of its own.",
    'Put it into quotes: "${NAME}".',
  ]);
});

void test("an alias without its anchor is an error of the spec", async () => {
  const [code, , , mend] = await errorOf(load(`${VALID}run: *gone\n`));
  assert.deepEqual([code, mend], ["SPEC_INVALID", "Set the anchor (&name) before its alias (*name)."]);
});

void test("merged maps are understood", async () => {
  const loaded = await load(
    `${VALID}run: { seed: 1 }\n`
      .replace("llm: {", "llm: &model {")
      .replace("output:", "  - <<: { task: text-generation }\n    llm: *model\noutput:"),
  );
  assert.equal(loaded.spec.steps[1]?.task, "text-generation");
});

void test("JSON has places too, with tabs and all", async () => {
  const text =
    '{\n\t"input": { "path": "rows.jsonl" },\n\t"steps": [{ "tsk": "text-generation" }],\n\t"output": { "path": "out" }\n}';
  const [, , message] = await errorOf(load(text, { extension: "json" }));
  assert.match(message ?? "", /job\.json:3:14: `steps\.0\.tsk` is not a key of the spec\. Did you mean `task`\?/);
});

void test("an empty spec says how to begin", async () => {
  assert.deepEqual(await errorOf(load("# nothing\n")), [
    "SPEC_INVALID",
    "job.yaml:1:1",
    "The spec must be a map of keys, but is empty.",
    "Begin with the keys `input`, `steps` and `output`.",
  ]);
});

void test("a missing file, a folder, another kind of file and text that is not UTF-8 are unreadable", async () => {
  const options = { environment: {} };
  assert.deepEqual(await errorOf(loadSpec(path.join(folder, "gone.yaml"), options)), [
    "SPEC_UNREADABLE",
    "gone.yaml",
    "The spec gone.yaml cannot be read: there is no such file.",
    "Check the path; it is taken from the current folder.",
  ]);
  assert.match((await errorOf(loadSpec(folder, options)))[2] ?? "", /it is a folder/);
  assert.match((await errorOf(load("x", { extension: "toml" })))[2] ?? "", /not a kind of file that holds a spec/);
  const utf16 = path.join(folder, "utf16.yaml");
  await writeFile(utf16, Buffer.from("\uFEFFinput: {}", "utf16le"));
  assert.equal((await errorOf(loadSpec(utf16, options)))[2], "The spec utf16.yaml is not UTF-8 text.");
});

void test("a secret in the place of a reference is refused and never repeated", async () => {
  const secret = "hf_opensesame";
  const places = [
    VALID.replace("http://127.0.0.1:8080", `http://h, api_key: ${secret}`),
    VALID.replace("http://127.0.0.1:8080", `http://h, headers: ${secret}`),
    VALID.replace("http://127.0.0.1:8080", `http://h, headers: { Authorization: Bearer ${secret} }`),
    VALID.replace("http://127.0.0.1:8080", `http://h, headers: { X-Api-Key: ${secret} }`),
    VALID.replace("http://127.0.0.1:8080", `http://user:${secret}@h`),
    VALID.replace("http://127.0.0.1:8080", `user:x//${secret}@h y`),
    VALID.replace("llm: { base_url: http://127.0.0.1:8080 }", `llm: ${secret}`),
  ];
  for (const text of places) {
    const lines = await errorOf(load(text));
    assert.equal(lines[0], "SPEC_INVALID");
    assert.ok(!lines.join(" ").includes("sesame"), lines.join(" "));
  }
  assert.equal(
    (await errorOf(load(places[0] ?? "")))[2],
    "`steps.0.llm.api_key` must be a reference such as ${HF_TOKEN}, because a secret is never part of a spec, but is a value that is not shown here.",
  );
});

void test("keys that need or exclude each other are checked with their places", async () => {
  const bare = VALID.replace("    llm: { base_url: http://127.0.0.1:8080 }\n", "");
  assert.deepEqual(await errorOf(load(bare)), [
    "SPEC_INVALID",
    "job.yaml:3:5",
    "`steps.0.llm` is missing: the task text-generation calls a model.",
    "Add `llm: { base_url: http://127.0.0.1:8080 }`.",
  ]);
  assert.deepEqual(await errorOf(load(VALID.replace("text-generation", "text-generatoin"))), [
    "SPEC_INVALID",
    "job.yaml:3:11",
    '`steps.0.task` names no task: "text-generatoin".',
    "Did you mean `text-generation`?",
  ]);
  assert.deepEqual(
    await errorOf(load(VALID.replace("task: text-generation", 'task: ./my.ts\n    template: "{{ a }}"'))),
    [
      "SPEC_INVALID",
      "job.yaml:4:15",
      "`steps.0.template` is for text-generation and structured-generation only.",
      "Hand it to your task under `options`.",
    ],
  );
  assert.deepEqual(await errorOf(load(VALID.replace("    llm:", '    template: "{{ a"\n    llm:'))), [
    "SPEC_INVALID",
    "job.yaml:4:15",
    "`steps.0.template` is not valid: the Jinja does not parse (Unexpected end of input).",
    "Close every {{ }} and {% %}, and end every block.",
  ]);
  const [, , message] = await errorOf(load(VALID.replace("http:", "ftp:")));
  assert.equal(message, "`steps.0.llm.base_url` must begin with http:// or https://, but begins with ftp:");
});

void test("group_generations with one generation is fine", async () => {
  const loaded = await load(VALID.replace("    llm:", "    group_generations: true\n    llm:"));
  assert.equal(loaded.spec.steps[0]?.num_generations, 1);
});

void test("variables are put in, with defaults, types and escapes; secrets stay references", async () => {
  const loaded = await load(
    VALID.replace("rows.jsonl", '"${ROWS}", limit: "${LIMIT}"')
      .replace("path: out", () => 'path: "${OUT:-out}/$${OUT}"')
      .replace("http://127.0.0.1:8080", '"http://${HOST}", api_key: "${KEY}", headers: { X-Team: "${TEAM}" }')
      .replace("    llm:", '    template: "${{ price }}"\n    llm:') + "name: ${BUILD}\n",
    { environment: { ROWS: "a.jsonl", LIMIT: "7", HOST: "h", KEY: "k", TEAM: "t", BUILD: "12" } },
  );
  const { input, output, steps, name } = loaded.spec;
  assert.deepEqual([input.path, input.limit, output.path, name], ["a.jsonl", 7, "out/${OUT}", "12"]);
  const [step] = steps;
  assert.deepEqual(
    [step?.llm?.base_url, step?.llm?.api_key, step?.llm?.headers],
    ["http://h", "${KEY}", { "X-Team": "${TEAM}" }],
  );
  assert.equal(step?.template, "${{ price }}");
});

void test("an unset variable is an error with its place, beside the spec's other errors", async () => {
  assert.deepEqual(await errorOf(load(VALID.replace("rows.jsonl", '"${ROWS}"'))), [
    "SPEC_INVALID",
    "job.yaml:1:16",
    "`input.path` needs the environment variable ROWS, which is not set.",
    "Set ROWS, or give a default: ${ROWS:-default}.",
  ]);
  const [, , both] = await errorOf(load(VALID.replace("rows.jsonl", '"${ROWS-x}", limit: -1')));
  assert.match(
    both ?? "",
    /2 errors:\n.*`input\.path` holds a \$\{ that is not followed.*\n.*`input\.limit` must be at least 0, but is -1/,
  );
});

void test("a TypeScript module gives a spec, as an object or from a function", async () => {
  const body = `{ input: { path: "a.jsonl" }, steps: [{ task: "./t.ts" }], output: { path: "\${OUT:-o}" } }`;
  const fromObject = await load(`const spec: object = ${body};\nexport default spec;`, { extension: "ts" });
  assert.equal(fromObject.spec.output.path, "o");
  const fromFunction = await load(`export default async () => (${body});`, { extension: "mjs" });
  assert.equal(fromFunction.spec.input.path, "a.jsonl");
});

void test("a module that gives no spec, or throws, is invalid", async () => {
  assert.deepEqual(await errorOf(load("export default 5;", { extension: "ts" })), [
    "MODULE_INVALID",
    "job.ts",
    "The module job.ts must export a job spec by default.",
    "Write `export default defineJob({ ... })`, or export a function that returns a spec.",
  ]);
  const [code, , message] = await errorOf(
    load('export default () => { throw new Error("no luck"); };', { extension: "ts" }),
  );
  assert.deepEqual([code, message], ["MODULE_INVALID", "The default export of job.ts threw: no luck"]);
});

void test("an error in a module's spec names the module and the key", async () => {
  const [code, place, message] = await errorOf(
    load(
      "export default { input: { path: 'a' }, steps: [{ task: './t.ts', num_generations: 0 }], output: { path: 'o' } };",
      {
        extension: "js",
      },
    ),
  );
  assert.deepEqual(
    [code, place, message],
    ["SPEC_INVALID", "job.js", "`steps.0.num_generations` must be more than 0, but is 0."],
  );
});

void test("a program's object is a spec, with overrides, and must be plain", () => {
  const object = { input: { path: "a", limit: undefined }, steps: [{ task: "./t.ts" }], output: { path: "o" } };
  const loaded = specFromObject(object, { folder, name: "mine", environment: {}, overrides: ["run.seed=7"] });
  assert.deepEqual([loaded.name, loaded.file, loaded.folder, loaded.spec.run.seed], ["mine", null, folder, 7]);
  assert.throws(
    () =>
      specFromObject(
        { ...object, steps: [{ task: "./t.ts", options: { at: new Date(0) } }] },
        { folder, environment: {} },
      ),
    (error: unknown) => {
      assert.ok(isTidingError(error));
      assert.deepEqual(readable(error), [
        "SPEC_INVALID",
        "steps.0.options.at",
        "`steps.0.options.at` is a Date, which a spec cannot hold.",
        "Use texts, numbers, true, false, null, lists and maps.",
      ]);
      return true;
    },
  );
});

void test("a structured output is checked before anything runs, at the line of its fault", async () => {
  const block = "\n      base_url: http://127.0.0.1:8080\n      structured_output:\n";
  const withForm = (form: string): string => VALID.replace("{ base_url: http://127.0.0.1:8080 }", block + form);
  const messageOf = async (form: string): Promise<string[]> => await errorOf(load(withForm(form)));
  const schema = "        schema:\n          type: object\n          properties:\n            age: { type: int }";
  const [code, place, message] = await messageOf(schema);
  assert.deepEqual([code, place], ["SPEC_INVALID", "job.yaml:10:26"]);
  assert.match(
    message ?? "",
    /^`steps\.0\.llm\.structured_output\.schema\.properties\.age\.type` is no valid JSON Schema/,
  );
  assert.deepEqual((await messageOf("        format: json\n        schema: '[a-z]+'")).slice(1, 3), [
    "job.yaml:8:17",
    '`steps.0.llm.structured_output.schema` must be a JSON Schema, as a map or as JSON text, but is "[a-z]+".',
  ]);
  assert.match((await messageOf("        schema: '(a'"))[2] ?? "", /is no regex that answers can be checked by/);
  const { spec } = await load(withForm(`        schema: '{"type":"object"}'`));
  assert.deepEqual(spec.steps[0]?.llm?.structured_output, { format: "json", schema: { type: "object" } });
});
