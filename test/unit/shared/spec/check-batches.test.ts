import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { specFromObject } from "../../../../shared/spec/load-spec.ts";

const llm = { base_url: "http://127.0.0.1:8080", use_offline_batch_generation: true };
const live = { base_url: "http://127.0.0.1:8080" };

function refused(...llms: object[]): string | undefined {
  const steps = llms.map((each, index) => ({
    task: "text-generation",
    llm: each,
    rename: { generation: `g${index}`, model_name: `m${index}` },
  }));
  const spec = { input: { path: "a.jsonl" }, steps, output: { path: "o" } };
  try {
    specFromObject(spec, { folder: ".", environment: {} });
    return undefined;
  } catch (error) {
    if (!isTidingError(error) || error.code !== "SPEC_INVALID") throw error;
    assert.ok((error.mend ?? "").length > 10);
    return error.place;
  }
}

void test("offline batches go with one server by its URL, and with each other", () => {
  assert.equal(refused(llm), undefined);
  assert.equal(refused({ ...llm, base_url: [llm.base_url] }), undefined);
  assert.equal(refused(llm, { ...llm, model_id: "b" }), undefined);
  assert.equal(refused({ ...llm, offline_batch_generation_block_until_done: "60s" }), undefined);
  assert.equal(refused({ ...live, use_offline_batch_generation: false }), undefined);
});

void test("what does not go with offline batches is refused at its key", () => {
  const key = "steps.0.llm.use_offline_batch_generation";
  assert.equal(refused({ model_id: "org/model", use_offline_batch_generation: true }), key);
  assert.equal(refused({ endpoint_name: "mine", use_offline_batch_generation: true }), key);
  assert.equal(refused({ class: "./llm.ts", use_offline_batch_generation: true }), key);
  assert.equal(refused({ ...llm, base_url: [llm.base_url, "http://127.0.0.1:8081"] }), "steps.0.llm.base_url");
  assert.equal(refused({ ...llm, stream: true }), "steps.0.llm.stream");
  const block = { offline_batch_generation_block_until_done: 60 };
  assert.equal(refused({ ...live, ...block }), "steps.0.llm.offline_batch_generation_block_until_done");
  const never = { offline_batch_generation_block_until_done: 0 };
  assert.equal(refused({ ...llm, ...never }), "steps.0.llm.offline_batch_generation_block_until_done");
});

void test("a step that calls its endpoint does not go with one that waits for batches", () => {
  assert.equal(refused(llm, live), "steps.1.llm");
});
