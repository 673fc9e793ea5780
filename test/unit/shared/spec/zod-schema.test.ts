import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { isTidingError } from "../../../../shared/errors.ts";
import { defineJob } from "../../../../shared/spec/job-spec.ts";
import type { JobSpecInput } from "../../../../shared/spec/job-spec.ts";
import { specFromObject } from "../../../../shared/spec/load-spec.ts";

function jobWith(
  schema: NonNullable<NonNullable<JobSpecInput["steps"][number]["llm"]>["structured_output"]>["schema"],
) {
  const llm = { base_url: "http://127.0.0.1:8080", structured_output: { schema } };
  return defineJob({ input: { path: "a.jsonl" }, steps: [{ task: "text-generation", llm }], output: { path: "o" } });
}

function load(schema: Parameters<typeof jobWith>[0]) {
  return specFromObject(jobWith(schema), { folder: ".", environment: {} });
}

function refusal(schema: Parameters<typeof jobWith>[0]): string {
  try {
    load(schema);
  } catch (error) {
    if (isTidingError(error)) return `${error.code} ${error.place}: ${error.message}`;
    throw error;
  }
  return assert.fail("the schema was accepted");
}

const PLACE = "SPEC_INVALID steps.0.llm.structured_output.schema: ";

void test("a zod schema becomes JSON Schema when the spec is loaded, also in what is kept of it", () => {
  const { spec, written } = load(z.object({ name: z.string().min(1), age: z.int().min(0).max(150).optional() }));
  const schema = {
    type: "object",
    properties: { name: { type: "string", minLength: 1 }, age: { type: "integer", minimum: 0, maximum: 150 } },
    required: ["name"],
    additionalProperties: false,
  };
  assert.deepEqual(spec.steps[0]?.llm?.structured_output, { format: "json", schema });
  assert.deepEqual(JSON.parse(JSON.stringify(written)).steps[0].llm.structured_output, { schema });
});

void test("what zod checks by code alone is refused", () => {
  assert.equal(
    refusal(z.object({ even: z.number().refine((value) => value % 2 === 0) })),
    `${PLACE}\`steps.0.llm.structured_output.schema\`: the zod schema holds a refinement, which is code.`,
  );
  assert.match(refusal(z.string().transform(Number)), /cannot be written as JSON Schema: Transforms cannot be/);
  assert.match(refusal(z.object({ when: z.date() })), /cannot be written as JSON Schema: Date cannot be/);
});

void test("a schema of zod 3 is refused by name", () => {
  assert.match(refusal({ _def: { typeName: "ZodString" }, parse: () => null }), /the zod schema is of zod 3\./);
});
