import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { openRowSource } from "../../../../coordinator/input/open-row-source.ts";
import { generatedRows } from "../../../../coordinator/input/generated-rows.ts";
import type { InputRow } from "../../../../coordinator/input/row-source.ts";
import { planShards } from "../../../../coordinator/plan-shards.ts";
import { RowCursor } from "../../../../coordinator/row-cursor.ts";
import { ShardTable } from "../../../../coordinator/shard-table.ts";
import { InputSpec } from "../../../../shared/spec/job-spec.ts";

const { signal } = new AbortController();

async function rowsFrom(first: number | null, count: number): Promise<readonly InputRow[]> {
  await using cursor = new RowCursor(generatedRows(), signal);
  await cursor.moveTo(first ?? 0, first === null ? null : { file: 0, at: first, skip: 0 });
  return await cursor.take(count, Infinity);
}

void test("an input that is generated has no files and no columns, and rows without values", async () => {
  const source = await openRowSource(InputSpec.parse({ generate: { rows: 3 } }), { folder: "/nowhere" });
  assert.deepEqual([source.files, source.schema], [[], []]);
  assert.deepEqual(
    (await rowsFrom(null, 3)).map(({ values, fault, offset }) => [values, fault, offset.at]),
    [0, 1, 2].map((row) => [{}, null, row]),
  );
});

void test("rows entered at any row's offset are those that reading through gives", async () => {
  const all = await rowsFrom(null, 1_000);
  for (const at of [0, 1, 255, 256, 257, 700]) assert.deepEqual(await rowsFrom(at, 300), all.slice(at, at + 300));
});

void test("the source has no end of its own: the limit is the job's, and may be raised", async () => {
  const [row] = await rowsFrom(10 ** 12, 1);
  assert.equal(row?.offset.at, 10 ** 12);
});

void test("rows are made when they are asked for: a million of them are read with one chunk in memory", async () => {
  const chunks = generatedRows().rows(null, signal)[Symbol.asyncIterator]();
  let read = 0;
  let largest = 0;
  while (read < 1_000_000) {
    const { value } = (await chunks.next()) as { value: readonly InputRow[] };
    read += value.length;
    largest = Math.max(largest, value.length);
  }
  assert.ok(largest <= 256, `${largest} rows in a chunk`);
});

void test("a million rows are planned as shards that all look alike, of which the table keeps a line each", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-generated-"));
  try {
    await using table = await ShardTable.open(folder, 1);
    const planned = planShards({
      source: generatedRows(),
      table,
      shardRows: 4_096,
      shardBytes: 4_000_000,
      offset: 0,
      limit: 1_000_000,
      known: null,
      isNeeded: () => true,
      verifyAll: false,
      signal,
    });
    const digests = new Set<string>();
    let rows = 0;
    for await (const { entry } of planned) {
      assert.deepEqual([entry.firstRow, entry.offset.at], [rows, rows]);
      rows += entry.rows;
      if (entry.rows === 4_096) digests.add(entry.digest);
    }
    assert.deepEqual([rows, digests.size, table.length], [1_000_000, 1, 245]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

void test("reading stops when it is no longer wanted", async () => {
  const stop = new AbortController();
  const chunks = generatedRows().rows(null, stop.signal)[Symbol.asyncIterator]();
  await chunks.next();
  stop.abort();
  await assert.rejects(async () => await chunks.next(), { name: "AbortError" });
});
