import assert from "node:assert/strict";
import { test } from "node:test";
import type { StructuredOutput } from "../../../../shared/task/task.ts";
import { StepForms } from "../../../../worker/structured/step-forms.ts";

const formOf = (name: string): StructuredOutput => ({
  format: "json",
  schema: { type: "object", properties: { [name]: { type: "string" } } },
});

void test("forms that read alike are compiled once, and are one object for the wires", () => {
  const forms = new StepForms(null, 2);
  const first = forms.compiled(formOf("a"));
  assert.equal(forms.compiled(formOf("a")), first);
  assert.notEqual(forms.compiled(formOf("b")), first);
  assert.equal(forms.compiled(first.form), first);
});

void test("forms of more rows than are kept are compiled anew, and the recently used stay", () => {
  const forms = new StepForms(null, 2);
  const kept = forms.compiled(formOf("kept"));
  const dropped = forms.compiled(formOf("dropped"));
  for (let row = 0; row < 255; row++) {
    forms.compiled(formOf(`row ${row}`));
    forms.compiled(formOf("kept"));
  }
  assert.equal(forms.compiled(formOf("kept")), kept);
  assert.notEqual(forms.compiled(formOf("dropped")), dropped);
});

void test("a form that is none fails the row with its place", () => {
  const wrong: StructuredOutput = { format: "json", schema: { properties: { a: { type: "text" } } } };
  assert.throws(
    () => new StepForms(null, 2).compiled(wrong),
    /`structured_output\.schema\.properties\.a\.type` is no valid JSON Schema/,
  );
});
