import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalForm, formOfRow } from "../../../../shared/structured/written-form.ts";

const schema = { type: "object", properties: { b: { type: "string" }, a: { type: "string" } } };
const json = { format: "json", schema };

void test("a map or the JSON text of one is a JSON Schema, any other text a regex", () => {
  assert.deepEqual(canonicalForm({ schema }), json);
  assert.deepEqual(canonicalForm({ schema: ` ${JSON.stringify(schema)}\n` }), json);
  assert.deepEqual(canonicalForm({ format: "json", schema: JSON.stringify(schema) }), json);
  for (const regex of ["[a-z]+", "[1]", "true", "12", "{broken", '"a"']) {
    assert.deepEqual(canonicalForm({ schema: regex }), { format: "regex", schema: regex });
  }
  assert.deepEqual(canonicalForm({ format: "regex", schema: "{}" }), { format: "regex", schema: "{}" });
});

void test("a schema keeps the order of its properties, in which constrained decoding writes them", () => {
  const form = canonicalForm({ schema: JSON.stringify(schema) });
  assert.equal(JSON.stringify(form), JSON.stringify(json));
});

void test("a schema that is not of its format names the key and what it must hold", () => {
  assert.deepEqual(canonicalForm({ format: "regex", schema }), {
    key: "schema",
    expected: "a text, because `format` is regex",
  });
  assert.deepEqual(canonicalForm({ format: "json", schema: "[a-z]" }), {
    key: "schema",
    expected: "a JSON Schema, as a map or as JSON text",
  });
});

void test("a row brings its form as an object or as text, or a schema alone, or none", () => {
  for (const none of [null, undefined, ""]) assert.equal(formOfRow(none), null);
  for (const written of [
    json,
    { schema },
    { format: null, schema: JSON.stringify(schema) },
    schema,
    JSON.stringify(schema),
    JSON.stringify(json),
    JSON.stringify({ schema: JSON.stringify(schema) }),
  ]) {
    assert.deepEqual(formOfRow(written), json);
  }
  assert.deepEqual(formOfRow("yes|no"), { format: "regex", schema: "yes|no" });
  assert.deepEqual(formOfRow({ format: "regex", schema: "a" }), { format: "regex", schema: "a" });
});

void test("a row's form that is none is told in a sentence", () => {
  assert.equal(formOfRow(5), "`structured_output` must be a map or a text.");
  assert.equal(formOfRow([schema]), "`structured_output` must be a map or a text.");
  assert.equal(formOfRow({ format: "xml", schema }), "`structured_output.format` must be json or regex.");
  assert.equal(formOfRow({ schema: 5 }), "`structured_output.schema` must be a map or a text.");
  assert.equal(
    formOfRow({ format: "json", schema: "a" }),
    "`structured_output.schema` must be a JSON Schema, as a map or as JSON text.",
  );
});
