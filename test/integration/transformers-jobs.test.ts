/** Whole jobs on a model in this process; the package is a stand-in (`fake-transformers.ts`). */
import assert from "node:assert/strict";
import { symlink } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { openFakeTransformers } from "../support/fake-transformers.ts";
import { idsOf, JobWorld, questionOf, upTo } from "../support/job-world.ts";

const local = { class: "TransformersLLM", model_id: "./model", slots: 4 };

void test("rows are answered by a model beside the spec, and a later job of another dtype is another job", async () => {
  await using fake = await openFakeTransformers();
  await using world = await JobWorld.open(20);
  for (const name of ["node_modules", "model"])
    await symlink(path.join(fake.folder, name), path.join(world.folder, name));
  const spec = (llm: object): object => world.spec({ step: { llm: { ...local, ...llm } } });
  const report = await world.run(spec({}));
  assert.deepEqual(report.rows, { accepted: 20, failed: 0, total: 20 }, JSON.stringify(report.error));
  const rows = await world.rows();
  assert.deepEqual(idsOf(rows), upTo(20));
  for (const [row, { generation }] of rows.entries()) assert.equal(generation, questionOf(row));
  assert.equal((rows[0] as unknown as { model_name: string }).model_name, "./model");
  await assert.rejects(world.run(spec({ dtype: "fp16" })), { code: "OUTPUT_OTHER_JOB", message: /dtype/ });
});

void test("rows get embeddings of such a model", async () => {
  await using fake = await openFakeTransformers();
  await using world = await JobWorld.open(5);
  for (const name of ["node_modules", "model"])
    await symlink(path.join(fake.folder, name), path.join(world.folder, name));
  const step = { task: "generate-embeddings", columns: { text: "question" }, llm: local };
  await world.run(world.spec({ step }));
  for (const [row, values] of (await world.rows()).entries()) {
    const codes = [1, ...Buffer.from(questionOf(row))];
    const { embedding } = values as unknown as { readonly embedding: readonly number[] };
    assert.deepEqual([...embedding], [Math.fround(codes.reduce((sum, code) => sum + code, 0) / codes.length), 1]);
  }
});

void test("a job without the package stops before its first row, with the command that installs it", async () => {
  await using world = await JobWorld.open(2);
  await assert.rejects(world.run(world.spec({ step: { llm: local } })), {
    code: "PACKAGE_MISSING",
    mend: "npm install @huggingface/transformers",
  });
});
