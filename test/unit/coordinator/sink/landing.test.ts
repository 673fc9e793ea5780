import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { asyncBufferFromFile, parquetMetadataAsync } from "hyparquet";
import { Landing } from "../../../../coordinator/sink/landing.ts";
import type { LandingRequest, PartFormat } from "../../../../coordinator/sink/part-file.ts";
import { isTidingError } from "../../../../shared/errors.ts";
import type { Column, RowSchema } from "../../../../shared/rows/row-schema.ts";
import { loadZstd } from "../../../../shared/rows/zstd.ts";
import { readPart } from "../../../support/read-part.ts";
import { type ResultRow, failedRow, resultBatch, temporaryFolder } from "../../../support/result-rows.ts";

const input: Column = { name: "question", type: "string" };
const answer: Column = { name: "answer", type: "string" };
const zstd = await loadZstd();

function requestIn(context: TestContext, changes: Partial<LandingRequest> = {}): LandingRequest {
  const folder = temporaryFolder(context);
  return {
    format: "parquet",
    dataPath: join(folder, "data"),
    failedPath: join(folder, "failed"),
    inputColumns: [input],
    taskColumns: [answer],
    columns: null,
    metadata: true,
    ...changes,
  };
}

function row(rowId: number, value: unknown = `answer ${rowId}`, generation = 0): ResultRow {
  return { values: { question: `question ${rowId}`, answer: value }, engine: { row_id: rowId, generation } };
}

function batchOf(rows: readonly ResultRow[], columns: RowSchema = [input, answer]): Uint8Array {
  return resultBatch(columns, rows);
}

for (const format of ["parquet", "jsonl", "arrow"] satisfies PartFormat[]) {
  void test(`${format}: rows land sorted, accepted and failed ones apart, with where they come from`, async (context) => {
    const request = requestIn(context, { format });
    const landing = new Landing(request, zstd);
    landing.addShard([batchOf([row(2), row(0)]), batchOf([failedRow(1, { question: "why?" }), row(3)])], [null, null]);
    landing.addShard([batchOf([row(7)])], [null]);
    const { data, failed, taskColumns } = landing.finish();

    assert.deepEqual(taskColumns, [answer]);
    assert.deepEqual([data?.rows, data?.rowIds, data?.firstRow, data?.lastRow], [4, 4, 0, 7]);
    assert.deepEqual(data?.runs, [
      [0, 1, 1],
      [2, 2, 1],
      [7, 1, 1],
    ]);
    assert.equal(data?.errors, undefined);
    assert.deepEqual(failed?.errors, { ANSWER_CUT: { rows: 1, example: "The answer was cut after 16 tokens." } });

    const rows = await readPart(request.dataPath, format);
    assert.deepEqual(
      rows.map(({ question, answer: text }) => [question, text]),
      [0, 2, 3, 7].map((rowId) => [`question ${rowId}`, `answer ${rowId}`]),
    );
    const { started_at: startedAt, ...metadata } = rows[1]!["tiding"] as Record<string, unknown>;
    assert.equal(new Date(startedAt as string | number).toISOString(), "2026-01-02T03:04:05.678Z");
    assert.deepEqual(metadata, {
      row_id: 2,
      generation: 0,
      model: "model-a",
      endpoint: "http://127.0.0.1:8080",
      input_tokens: 12,
      output_tokens: 34,
      finish_reason: "stop",
      seed: 2 ** 53 - 1,
      attempts: 1,
      duration_ms: 12.5,
      calls: null,
    });
    const [lost] = await readPart(request.failedPath, format);
    assert.equal(lost!["question"], "why?");
    const { row_id: rowId, code, step, raw_response: raw } = lost!["tiding"] as Record<string, unknown>;
    assert.deepEqual([rowId, code, step, raw], [1, "ANSWER_CUT", "answer", "Once upon"]);
  });

  void test(`${format}: an empty part is a file with columns and no rows`, async (context) => {
    const request = requestIn(context, {
      format,
      emptyDataFile: true,
      taskColumns: [{ name: "answer", type: "inferred" }],
    });
    const { data, failed, taskColumns } = new Landing(request, zstd).finish();
    assert.deepEqual([data?.rows, data?.firstRow, data?.lastRow, failed, taskColumns], [0, 0, 0, null, null]);
    assert.deepEqual(await readPart(request.dataPath, format), []);
  });
}

void test("no file is created for what has no rows", (context) => {
  const request = requestIn(context);
  const landing = new Landing(request, zstd);
  landing.addShard([batchOf([failedRow(0)])], [null]);
  const { data } = landing.finish();
  assert.equal(data, null);
  assert.ok(!existsSync(request.dataPath));
});

void test("rows whose bit is set are left out", async (context) => {
  const request = requestIn(context);
  const landing = new Landing(request, zstd);
  const rows = Array.from({ length: 10 }, (_, index) => row(index));
  landing.addShard([batchOf(rows), batchOf([row(9), row(1)])], [new Uint8Array([0b10, 0b10]), null]);
  assert.deepEqual(landing.finish().data?.runs, [[0, 10, 1]]);
});

void test("a row that comes twice, or after a later one, is refused", (context) => {
  const twice = new Landing(requestIn(context), zstd);
  assert.throws(() => twice.addShard([batchOf([row(1)]), batchOf([row(1)])], [null, null]), isInternal);
  const late = new Landing(requestIn(context), zstd);
  late.addShard([batchOf([row(5)])], [null]);
  assert.throws(() => late.addShard([batchOf([row(4)])], [null]), isInternal);
});

function isInternal(error: unknown): boolean {
  return isTidingError(error) && error.code === "INTERNAL";
}

void test("types are inferred from the first accepted rows and handed back; what does not fit later fails", async (context) => {
  const request = requestIn(context, { taskColumns: [{ name: "answer", type: "inferred" }], rowGroupBytes: 1 });
  const json: RowSchema = [input, { name: "answer", type: "json" }];
  const landing = new Landing(request, zstd);
  landing.addShard([batchOf([failedRow(0)])], [null]);
  landing.addShard([batchOf([row(1, { score: 1, tags: ["a"] })], json)], [null]);
  landing.addShard([batchOf([row(2, { score: 2, tags: null }), row(3, "secret words")], json)], [null]);
  const { data, failed, taskColumns } = landing.finish();

  assert.deepEqual(taskColumns, [{ name: "answer", type: { struct: { score: "int64", tags: { list: "string" } } } }]);
  assert.deepEqual(data?.runs, [[1, 2, 1]]);
  assert.deepEqual(failed?.errors?.OUTPUT_MISFIT, {
    rows: 1,
    example: 'Column answer holds {"struct":{"score":"int64","tags":{"list":"string"}}}, but the task gave a text.',
  });
  const rows = await readPart(request.dataPath, "parquet");
  assert.deepEqual(
    rows.map((each) => each["answer"]),
    [
      { score: 1, tags: ["a"] },
      { score: 2, tags: null },
    ],
  );
  const metadata = (await readPart(request.failedPath, "parquet")).map((each) => each["tiding"]);
  const { code, class: kind, raw_response: raw } = metadata[1] as Record<string, unknown>;
  assert.deepEqual([code, kind, raw], ["OUTPUT_MISFIT", "row", '"secret words"']);
});

void test("while no row was accepted, inferred types stay open", (context) => {
  const landing = new Landing(requestIn(context, { taskColumns: [{ name: "answer", type: "inferred" }] }), zstd);
  landing.addShard([batchOf([failedRow(0)])], [null]);
  assert.equal(landing.finish().taskColumns, null);
});

void test("a generation that does not fit fails its whole row, or itself alone where parts of a row are kept", (context) => {
  const columns: RowSchema = [input, { name: "answer", type: "json" }];
  const taskColumns: readonly Column[] = [{ name: "answer", type: "int64" }];
  for (const keepPartial of [false, true]) {
    const landing = new Landing(requestIn(context, { taskColumns, keepPartial }), zstd);
    const generations = [row(1, 10, 0), row(1, "ten", 1), row(1, 11, 2), row(2, 20, 0)];
    landing.addShard([batchOf(generations, columns)], [null]);
    const { data, failed } = landing.finish();
    assert.equal(failed?.rows, keepPartial ? 1 : 3);
    assert.deepEqual(
      data?.runs,
      keepPartial
        ? [
            [1, 1, 2],
            [2, 1, 1],
          ]
        : [[2, 1, 1]],
    );
  }
});

void test("columns are selected in the order asked for, and an unknown one is refused", async (context) => {
  const request = requestIn(context, { columns: ["answer"], metadata: false });
  const landing = new Landing(request, zstd);
  landing.addShard([batchOf([row(0)])], [null]);
  landing.finish();
  assert.deepEqual(await readPart(request.dataPath, "parquet"), [{ answer: "answer 0" }]);
  assert.throws(
    () => new Landing({ ...request, columns: ["answers"] }, zstd),
    (error) => isTidingError(error) && error.code === "COLUMN_MISSING",
  );
});

void test("a value in a column that is not kept cannot fail its row", (context) => {
  const landing = new Landing(requestIn(context, { columns: ["question"] }), zstd);
  landing.addShard([batchOf([row(0, 5)], [input, { name: "answer", type: "int64" }])], [null]);
  assert.equal(landing.finish().data?.rows, 1);
});

void test("row groups are closed by bytes, and never within a row", async (context) => {
  const request = requestIn(context, { rowGroupBytes: 1 });
  const landing = new Landing(request, zstd);
  landing.addShard([batchOf([row(0), row(1, "a", 0), row(1, "b", 1), row(2)])], [null]);
  landing.finish();
  const { row_groups: groups } = await parquetMetadataAsync(await asyncBufferFromFile(request.dataPath));
  assert.deepEqual(
    groups.map((group) => Number(group.num_rows)),
    [1, 2, 1],
  );
});
