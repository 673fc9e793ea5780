import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tableFromIPC } from "apache-arrow";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { type PartFormat, partExtension } from "../../../../coordinator/sink/part-file.ts";
import { openPartReader, openPartWriter } from "../../../../coordinator/sink/open-part.ts";
import { isTidingError } from "../../../../shared/errors.ts";
import type { RowSchema } from "../../../../shared/rows/row-schema.ts";
import { loadZstd } from "../../../../shared/rows/zstd.ts";
import { temporaryFolder } from "../../../support/result-rows.ts";

const schema: RowSchema = [
  { name: "text", type: "string" },
  { name: "flag", type: "bool" },
  { name: "small", type: "int32" },
  { name: "wide", type: "int64" },
  { name: "single", type: "float32" },
  { name: "double", type: "float64" },
  { name: "bytes", type: "binary" },
  { name: "at", type: "timestamp" },
  { name: "day", type: "date" },
  { name: "shape", type: "json" },
  { name: "messages", type: { list: { struct: { role: "string", content: "string", tokens: { list: "int64" } } } } },
  { name: "nothing", type: { struct: {} } },
];
const at = new Date("2026-01-02T03:04:05.678Z");
const day = new Date("2026-01-02");
const messages = [
  { role: "user", content: "🐦‍⬛ wer da?", tokens: [1, 2n ** 60n, null] },
  { role: "assistant", content: null, tokens: [] },
];
const columns = [
  ["ein „Text“\n", null],
  [true, null],
  [-5, null],
  [2n ** 62n, null],
  [0.5, null],
  [0.1, null],
  [new Uint8Array([0, 255]), null],
  [at, null],
  [day, null],
  [{ a: [1, null, 2n ** 60n] }, null],
  [messages, null],
  [{}, null],
];
const shapeText = `{"a":[1,null,${2n ** 60n}]}`;

async function write(folder: string, format: PartFormat, groups: number): Promise<string> {
  const path = join(folder, `part.${partExtension(format)}`);
  const writer = openPartWriter(format, path, { schema, zstd: await loadZstd() });
  for (let group = 0; group < groups; group++) writer.write(columns);
  writer.finish();
  assert.equal(writer.bytes, readFileSync(path).length);
  return path;
}

void test("Parquet holds nested values, times and wide integers in its own types, a row group each write", async (context) => {
  const file = await asyncBufferFromFile(await write(temporaryFolder(context), "parquet", 2));
  const metadata = await parquetMetadataAsync(file);
  assert.equal(metadata.row_groups.length, 2);
  const rows = await parquetReadObjects({ file, metadata, compressors, utf8: false });
  assert.equal(rows.length, 4);
  assert.deepEqual(rows[2], {
    text: "ein „Text“\n",
    flag: true,
    small: -5,
    wide: 2n ** 62n,
    single: 0.5,
    double: 0.1,
    bytes: new Uint8Array([0, 255]),
    at,
    day,
    shape: shapeText,
    messages: [
      { role: "user", content: "🐦‍⬛ wer da?", tokens: [1n, 2n ** 60n, null] },
      { role: "assistant", content: null, tokens: [] },
    ],
    nothing: "{}",
  });
  assert.deepEqual(
    Object.values(rows[3]!).filter((value) => value !== null && value !== undefined),
    [],
  );
});

void test("Arrow holds nested values in its own types, a record batch each write", async (context) => {
  const table = tableFromIPC(readFileSync(await write(temporaryFolder(context), "arrow", 2)));
  assert.equal(table.batches.length, 2);
  const row = table.get(2)!.toJSON();
  assert.equal(row["text"], "ein „Text“\n");
  assert.equal(row["wide"], 2n ** 62n);
  assert.equal(row["at"], at.getTime());
  assert.equal(row["shape"], shapeText);
  const [first, second] = row["messages"].toArray();
  assert.equal(first.content, "🐦‍⬛ wer da?");
  assert.deepEqual([...first.tokens], [1n, 2n ** 60n, null]);
  assert.equal(second.content, null);
  assert.equal(second.tokens.length, 0);
  assert.deepEqual(
    Object.values(table.get(3)!.toJSON()).filter((value) => value !== null),
    [],
  );
});

void test("JSON lines hold digits, base64 and ISO times, and a null for what is missing", async (context) => {
  const text = readFileSync(await write(temporaryFolder(context), "jsonl", 2), "utf8");
  const lines = text.split("\n");
  assert.equal(lines.length, 5);
  assert.match(lines[0]!, /"wide":4611686018427387904,/);
  assert.match(lines[0]!, /"tokens":\[1,1152921504606846976,null\]/);
  const row = JSON.parse(lines[0]!) as Record<string, unknown>;
  assert.deepEqual(
    [row["text"], row["bytes"], row["at"], row["day"], row["shape"]],
    ["ein „Text“\n", "AP8=", "2026-01-02T03:04:05.678Z", "2026-01-02", shapeText],
  );
  assert.deepEqual(
    Object.keys(JSON.parse(lines[1]!) as object),
    schema.map(({ name }) => name),
  );
});

for (const format of ["parquet", "jsonl", "arrow"] as const) {
  void test(`${format}: what is read and written again is the same file`, async (context) => {
    const folder = temporaryFolder(context);
    const path = await write(folder, format, 3);
    const reader = await openPartReader(format, path, await loadZstd());
    const writer = reader.openWriter(join(folder, "again"));
    let rows = 0;
    for await (const group of reader.groups()) {
      writer.write(group.columns);
      rows += group.rows;
      assert.equal(reader.metadata(group), null);
    }
    reader.close();
    writer.finish();
    assert.equal(rows, 6);
    assert.deepEqual(readFileSync(writer.path), readFileSync(path));
  });

  void test(`${format}: a file without rows is read as one`, async (context) => {
    const path = await write(temporaryFolder(context), format, 0);
    const reader = await openPartReader(format, path, await loadZstd());
    for await (const group of reader.groups()) assert.fail(`${group.rows} rows`);
    reader.close();
  });

  void test(`${format}: a file that is missing is said to be damaged, with its path`, async (context) => {
    const path = join(temporaryFolder(context), "gone");
    await assert.rejects(
      async () => openPartReader(format, path, await loadZstd()),
      (error) => isTidingError(error) && error.code === "OUTPUT_DAMAGED" && error.place === path,
    );
  });
}
