import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { JOB_TEMPLATE } from "../../../cli/job-template.ts";
import { JobSpec } from "../../../shared/spec/job-spec.ts";

void test("the spec that init writes is valid as it stands", () => {
  JobSpec.parse(parse(JOB_TEMPLATE));
});

void test("the spec that init writes is valid with every commented key taken in", () => {
  const keys = JOB_TEMPLATE.split("\n").map((line, index) => (index > 5 ? line.replace(/^( *)# /, "$1") : line));
  const spec = JobSpec.parse(parse(keys.join("\n")));
  assert.equal(spec.run.attempts, 6);
  assert.equal(spec.steps[0]?.llm?.model_id, "my-model");
});
