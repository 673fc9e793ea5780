import assert from "node:assert/strict";
import { test } from "node:test";
import { refuseLiteralHeaders, storedSpec } from "../../../jobs/stored-spec.ts";
import { specFromObject } from "../../../shared/spec/load-spec.ts";

void test("a schema may have properties named headers and api_key, which are kept and no secrets", () => {
  const schema = {
    type: "object",
    properties: {
      headers: { type: "object", properties: { level: { type: "integer" } } },
      api_key: { type: "string" },
    },
    examples: [{ api_key: "the text $${HOME}" }],
  };
  const llm = { base_url: "http://127.0.0.1:8080", structured_output: { schema } };
  const spec = { input: { path: "a.jsonl" }, steps: [{ task: "text-generation", llm }], output: { path: "o" } };
  const loaded = specFromObject(spec, { folder: ".", environment: {} });
  const stored = storedSpec(loaded.written);
  assert.deepEqual(stored, spec);
  assert.deepEqual(specFromObject(stored, { folder: ".", environment: {} }).spec, loaded.spec);
  refuseLiteralHeaders(loaded);
});
