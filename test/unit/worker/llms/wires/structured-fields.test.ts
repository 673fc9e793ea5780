import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServerKind } from "../../../../../worker/llms/recognise-server.ts";
import { structuredFields, tgiGrammar } from "../../../../../worker/llms/wires/structured-fields.ts";
import type { OpenAIRoute } from "../../../../../worker/llms/wires/structured-fields.ts";
import { assertFits } from "../../../bench/simulator/tgi-schemas.ts";

const schema = { type: "object", properties: { name: { type: "string" } } };
const json = { format: "json", schema } as const;
const regex = { format: "regex", schema: "[ab]+" } as const;
const openAI = { response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } } };

const server = (name: ServerKind, version: string | null = null) => ({ server: name, isTgi: name === "tgi", version });

const table: readonly [name: ServerKind, version: string | null, route: OpenAIRoute, json: unknown, regex: unknown][] =
  [
    [
      "tgi",
      "3.3.7",
      "chat",
      { response_format: { type: "json_object", value: schema } },
      { response_format: { type: "regex", value: "[ab]+" } },
    ],
    ["vllm", "0.12.0", "chat", openAI, { structured_outputs: { regex: "[ab]+" } }],
    ["vllm", "0.11.2", "chat", openAI, { guided_regex: "[ab]+" }],
    [
      "vllm",
      "0.12.0rc1",
      "completions",
      { structured_outputs: { json: schema } },
      { structured_outputs: { regex: "[ab]+" } },
    ],
    ["vllm", "v0.8.5.post1", "completions", { guided_json: schema }, { guided_regex: "[ab]+" }],
    [
      "vllm",
      "1.0.0",
      "completions",
      { structured_outputs: { json: schema } },
      { structured_outputs: { regex: "[ab]+" } },
    ],
    ["vllm", null, "chat", openAI, { structured_outputs: { regex: "[ab]+" }, guided_regex: "[ab]+" }],
    [
      "vllm",
      null,
      "completions",
      { structured_outputs: { json: schema }, guided_json: schema },
      { structured_outputs: { regex: "[ab]+" }, guided_regex: "[ab]+" },
    ],
    [
      "vllm",
      "dev",
      "completions",
      { structured_outputs: { json: schema } },
      { structured_outputs: { regex: "[ab]+" } },
    ],
    ["sglang", null, "chat", openAI, { regex: "[ab]+" }],
    ["sglang", null, "completions", { json_schema: JSON.stringify(schema) }, { regex: "[ab]+" }],
    ["llamacpp", null, "chat", openAI, null],
    ["llamacpp", null, "completions", { json_schema: schema }, null],
    ["openai", null, "chat", openAI, null],
    ["unknown", null, "completions", openAI, null],
  ];

for (const [name, version, route, forJson, forRegex] of table) {
  void test(`${name} ${version ?? "of no version"} is asked in its own words over ${route}`, () => {
    assert.deepEqual(structuredFields(json, server(name, version), route), forJson);
    const ask = () => structuredFields(regex, server(name, version), route);
    if (forRegex === null) assert.throws(ask, { code: "SPEC_INVALID", place: "structured_output.format" });
    else assert.deepEqual(ask(), forRegex);
  });
}

void test("TGI's schemas know both forms of both routes", () => {
  for (const output of [json, regex]) {
    const grammar = tgiGrammar(output);
    assertFits("text-generation/input", { inputs: "x", parameters: { grammar } });
  }
  assert.deepEqual(tgiGrammar(json), { type: "json", value: schema });
});
