import assert from "node:assert/strict";
import { test } from "node:test";
import { compileForm } from "../../../../shared/structured/compile-form.ts";
import type { CompiledForm, FormFault } from "../../../../shared/structured/compile-form.ts";
import type { JsonSchema } from "../../../../shared/task/task.ts";

function compiled(schema: JsonSchema): CompiledForm {
  const form = compileForm({ format: "json", schema });
  assert.ok("faultsOf" in form, "what" in form ? form.what : "");
  return form;
}

function fault(schema: JsonSchema): FormFault {
  const form = compileForm({ format: "json", schema });
  return "what" in form ? form : assert.fail("the schema was accepted");
}

const person = {
  type: "object",
  properties: { name: { type: "string" }, mood: { enum: ["good", "bad"] }, mail: { type: "string", format: "email" } },
  required: ["name"],
  additionalProperties: false,
};

void test("what fits has no faults; what does not has them in words for the model and in words of the schema alone", () => {
  const form = compiled(person);
  assert.deepEqual(form.faultsOf({ name: "Ada", mail: "ada@example.org" }), []);
  assert.deepEqual(form.faultsOf({ mood: "so so", secretive: 1, mail: "x" }), [
    {
      inAnswer: "the answer must have required property 'name'",
      inSchema: "it must have required property 'name' (#/required)",
    },
    {
      inAnswer: 'the answer must NOT have additional properties: "secretive"',
      inSchema: "it must NOT have additional properties (#/additionalProperties)",
    },
    {
      inAnswer: '/mood must be equal to one of the allowed values: ["good","bad"]',
      inSchema: 'it must be equal to one of the allowed values: ["good","bad"] (#/properties/mood/enum)',
    },
    {
      inAnswer: '/mail must match format "email"',
      inSchema: 'it must match format "email" (#/properties/mail/format)',
    },
  ]);
});

void test("only the first few faults of an answer are told", () => {
  const form = compiled({ type: "array", items: { type: "integer" } });
  assert.equal(form.faultsOf(Array.from({ length: 1_000 }, () => "x")).length, 8);
});

void test("a schema that is none is refused at its place", () => {
  const wrong = fault({ type: "object", properties: { age: { type: "int" } } });
  assert.deepEqual(wrong.path, ["schema", "properties", "age", "type"]);
  assert.match(wrong.what, /^is no valid JSON Schema: it must be equal to one of the allowed values: \["array"/);
  assert.deepEqual(fault({ properties: { "a/b": 5 } }).path, ["schema", "properties", "a/b"]);
});

void test("what nothing would check is refused, with the mend", () => {
  assert.deepEqual(fault({ type: "string", minLenght: 5 }), {
    path: ["schema"],
    what: 'holds the keyword "minLenght", which nothing checks.',
    mend: "Did you mean `minLength`?",
  });
  assert.equal(fault({ type: "string", "x-order": 1 }).mend, "Take it out: no rule may go unchecked.");
  assert.match(fault({ type: "string", format: "postcode" }).what, /^cannot be checked: unknown format "postcode"/);
  assert.match(fault({ $ref: "https://example.org/person.json" }).what, /leads nowhere: https:\/\/example\.org/);
  assert.match(fault({ $ref: "#/$defs/gone" }).what, /leads nowhere/);
  assert.match(fault({ type: "string", pattern: "(" }).what, /^cannot be checked: Invalid regular expression/);
  assert.deepEqual(fault({ $schema: "http://json-schema.org/draft-04/schema#" }).path, ["schema", "$schema"]);
});

void test("draft-07 is checked by its own rules, and pydantic's discriminator is no rule", () => {
  const draft7 = compiled({
    $schema: "http://json-schema.org/draft-07/schema#",
    type: "array",
    items: [{ type: "string" }, { type: "integer" }],
    additionalItems: false,
  });
  assert.deepEqual(draft7.faultsOf(["a", 1]), []);
  assert.equal(draft7.faultsOf([1, 1]).length, 1);
  const pydantic = compiled({
    $defs: { Cat: { type: "object", properties: { kind: { const: "cat" } }, required: ["kind"] } },
    discriminator: { propertyName: "kind", mapping: { cat: "#/$defs/Cat" } },
    oneOf: [{ $ref: "#/$defs/Cat" }],
  });
  assert.deepEqual(pydantic.faultsOf({ kind: "cat" }), []);
  assert.ok(pydantic.faultsOf({ kind: "dog" }).length > 0);
});

void test("two schemas of one id do not meet", () => {
  const first = compiled({ $id: "https://example.org/a", type: "string" });
  const second = compiled({ $id: "https://example.org/a", type: "integer" });
  assert.deepEqual([first.faultsOf("x").length, second.faultsOf("x").length], [0, 1]);
});

void test("a regex checks the whole text, and one that cannot be checked is refused", () => {
  const form = compileForm({ format: "regex", schema: "yes|no" });
  assert.ok("faultsOf" in form);
  assert.deepEqual(form.faultsOf("yes"), []);
  assert.equal(form.faultsOf("yes!")[0]?.inAnswer, "the answer does not match the regular expression as a whole");
  const wrong = compileForm({ format: "regex", schema: "(a" });
  assert.ok("what" in wrong);
  assert.equal(
    wrong.what,
    "is no regex that answers can be checked by: it is not valid in JavaScript: Unterminated group.",
  );
});
