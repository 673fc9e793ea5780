import assert from "node:assert/strict";
import { test } from "node:test";
import type { ColumnType } from "../../../../shared/rows/row-schema.ts";
import { project, structOf } from "../../../../shared/structured/column-type.ts";
import type { JsonSchema } from "../../../../shared/task/task.ts";

function fieldOf(schema: unknown, definitions: object = {}): ColumnType | undefined {
  const type = structOf({ type: "object", properties: { field: schema }, $defs: definitions });
  return typeof type === "object" && type !== null && "struct" in type ? type.struct["field"] : undefined;
}

void test("what a schema says plainly has a type of its own", () => {
  for (const [schema, type] of [
    [{ type: "string", format: "date-time" }, "string"],
    [{ type: "integer", minimum: 0 }, "int64"],
    [{ type: "number" }, "float64"],
    [{ type: ["number", "integer"] }, "float64"],
    [{ type: "boolean" }, "bool"],
    [{ enum: ["a", "b", null] }, "string"],
    [{ const: 5 }, "int64"],
    [{ enum: [1, 2.5] }, "float64"],
    [{ type: ["string", "null"] }, "string"],
    [{ anyOf: [{ type: "integer" }, { type: "null" }] }, "int64"],
    [{ type: "array", items: { type: "string" } }, { list: "string" }],
    [{ type: "object", properties: { a: { type: "string" } } }, { struct: { a: "string" } }],
    [{ allOf: [{ $ref: "#/$defs/Mood" }] }, "string"],
    [{ type: "array", items: { $ref: "#/$defs/Mood" } }, { list: "string" }],
  ] as const) {
    assert.deepEqual(fieldOf(schema, { Mood: { enum: ["good", "bad"] } }), type, JSON.stringify(schema));
  }
});

void test("what is open, mixed or recursive is JSON", () => {
  const tree = { type: "object", properties: { child: { $ref: "#/$defs/Tree" } } };
  for (const schema of [
    true,
    {},
    { type: "object" },
    { type: "object", additionalProperties: { type: "integer" } },
    { type: "object", properties: { a: {} }, additionalProperties: true },
    { type: "object", properties: { a: {} }, patternProperties: { "^x": {} } },
    { properties: { a: { type: "string" } } },
    { type: ["string", "integer"] },
    { anyOf: [{ type: "string" }, { type: "integer" }] },
    { enum: ["a", 1] },
    { type: "array" },
    { type: "array", prefixItems: [{ type: "string" }] },
    { $ref: "#/$defs/gone" },
    { $ref: "#anchor" },
  ]) {
    assert.equal(fieldOf(schema), "json", JSON.stringify(schema));
  }
  assert.deepEqual(fieldOf({ $ref: "#/$defs/Tree" }, { Tree: tree }), { struct: { child: "json" } });
});

void test("a schema whose top level is no object with properties makes no struct", () => {
  const none: readonly JsonSchema[] = [{ type: "array", items: { type: "string" } }, { type: "object" }, {}];
  for (const schema of none) assert.equal(structOf(schema), null);
  const behindReference = {
    $ref: "#/$defs/A",
    $defs: { A: { type: "object", properties: { a: { type: "string" } } } },
  };
  assert.deepEqual(structOf(behindReference), { struct: { a: "string" } });
});

void test("a value is cut to its type: keys that the schema does not name are left out, missing ones null", () => {
  const type: ColumnType = { struct: { a: "string", list: { list: { struct: { b: "int64" } } }, any: "json" } };
  assert.deepEqual(project(type, { a: "x", extra: 1, list: [{ b: 2n, c: 3 }, null], any: { d: 1 } }), {
    a: "x",
    list: [{ b: 2n }, null],
    any: { d: 1 },
  });
  assert.deepEqual(project(type, {}), { a: null, list: null, any: null });
});
