import assert from "node:assert/strict";
import { readdirSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Landing } from "../../../../coordinator/sink/landing.ts";
import { mergeParts } from "../../../../coordinator/sink/merge-parts.ts";
import { readRowIds } from "../../../../coordinator/sink/part-cursor.ts";
import type { MergeRequest, PartFile, PartFormat } from "../../../../coordinator/sink/part-file.ts";
import { isTidingError } from "../../../../shared/errors.ts";
import type { Column } from "../../../../shared/rows/row-schema.ts";
import { loadZstd } from "../../../../shared/rows/zstd.ts";
import { readPart } from "../../../support/read-part.ts";
import { failedRow, resultBatch, temporaryFolder } from "../../../support/result-rows.ts";

const text: Column = { name: "text", type: "string" };
const zstd = await loadZstd();

interface Written {
  readonly data: PartFile;
  readonly failed: PartFile;
}

/** A part with one row group a row id, and a failed file with the row before the first. */
function write(
  folder: string,
  rowIds: readonly number[],
  options: { readonly format: PartFormat; readonly metadata?: boolean },
): Written {
  const name = `part-${rowIds[0]}`;
  const landing = new Landing(
    {
      dataPath: join(folder, name),
      failedPath: join(folder, `${name}-failed`),
      inputColumns: [text],
      taskColumns: [],
      columns: null,
      metadata: true,
      rowGroupBytes: 1,
      ...options,
    },
    zstd,
  );
  landing.addShard([resultBatch([text], [failedRow(rowIds[0]! - 1, { text: "failed" })])], [null]);
  for (const rowId of rowIds) {
    const rows = [0, 1].map((generation) => ({
      values: { text: `${rowId}.${generation}` },
      engine: { row_id: rowId, generation },
    }));
    landing.addShard([resultBatch([text], rows)], [null]);
  }
  const { data, failed } = landing.finish();
  return { data: data!, failed: failed! };
}

async function texts(files: readonly PartFile[], format: PartFormat): Promise<unknown[][]> {
  return Promise.all(files.map(async ({ path }) => (await readPart(path, format)).map((row) => row["text"])));
}

async function rowIdsOf(path: string, format: PartFormat): Promise<number[]> {
  const rowIds: number[] = [];
  for await (const rowId of readRowIds(path, format)) rowIds.push(rowId);
  return rowIds;
}

function request(folder: string, format: PartFormat, changes: Partial<MergeRequest> = {}): MergeRequest {
  return { format, sources: [], targets: { folder, prefix: "merged" }, maxBytes: 1e9, ...changes };
}

for (const format of ["parquet", "jsonl", "arrow"] as const) {
  for (const metadata of [true, false]) {
    const how = metadata ? "by their metadata" : "by their runs";
    void test(`${format}: parts that interleave are merged into order ${how}, without rows left out`, async (context) => {
      const folder = temporaryFolder(context);
      const parts = [
        [4, 5, 10],
        [1, 7],
        [12, 13],
      ].map((rowIds) => write(folder, rowIds, { format, metadata }).data);
      const merged = await mergeParts(
        request(folder, format, {
          sources: parts.map(({ path, runs }) => ({ path, runs: metadata ? null : runs })),
          leaveOut: [
            [5, 1],
            [11, 2],
          ],
        }),
        zstd,
      );
      assert.deepEqual(await texts(merged, format), [
        [1, 4, 7, 10, 13].flatMap((rowId) => [`${rowId}.0`, `${rowId}.1`]),
      ]);
      assert.deepEqual(
        merged[0]?.runs,
        [1, 4, 7, 10, 13].map((rowId) => [rowId, 1, 2]),
      );
      assert.deepEqual([merged[0]?.rows, merged[0]?.rowIds, merged[0]?.firstRow, merged[0]?.lastRow], [10, 5, 1, 13]);
    });
  }

  void test(`${format}: files are closed by bytes, at the border of a row`, async (context) => {
    const folder = temporaryFolder(context);
    const sources = [[2, 4], [3]].map((rowIds) => ({ path: write(folder, rowIds, { format }).data.path, runs: null }));
    const merged = await mergeParts(request(folder, format, { sources, maxBytes: 1 }), zstd);
    assert.deepEqual(await texts(merged, format), [
      ["2.0", "2.1"],
      ["3.0", "3.1"],
      ["4.0", "4.1"],
    ]);
  });

  void test(`${format}: failed files are merged with the count of their codes, down to nothing`, async (context) => {
    const folder = temporaryFolder(context);
    const files = [[2], [5]].map((rowIds) => write(folder, rowIds, { format }).failed);
    const sources = files.map(({ path }) => ({ path, runs: null }));
    const [merged] = await mergeParts(request(folder, format, { sources }), zstd);
    assert.deepEqual(merged?.errors, { ANSWER_CUT: { rows: 2, example: "The answer was cut after 16 tokens." } });
    assert.deepEqual(await rowIdsOf(merged.path, format), [1, 4]);
    assert.deepEqual(await mergeParts(request(folder, format, { sources, leaveOut: [[0, 100]] }), zstd), []);
  });

  void test(`${format}: a source that is damaged is named, and no file is left`, async (context) => {
    const folder = temporaryFolder(context);
    const { path, bytes } = write(folder, [1, 2, 3], { format }).data;
    truncateSync(path, bytes - 20);
    const before = readdirSync(folder);
    await assert.rejects(
      mergeParts(request(folder, format, { sources: [{ path, runs: null }], rowGroupBytes: 1 }), zstd),
      (error) => isTidingError(error) && error.code === "OUTPUT_DAMAGED" && error.place === path,
    );
    assert.deepEqual(readdirSync(folder), before);
  });
}

void test("a part without metadata is refused where no runs tell its rows", async (context) => {
  const folder = temporaryFolder(context);
  const { path } = write(folder, [1], { format: "parquet", metadata: false }).data;
  await assert.rejects(rowIdsOf(path, "parquet"), (error) => isTidingError(error) && error.code === "OUTPUT_DAMAGED");
});
