import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { compress, init } from "@bokuweb/zstd-wasm";
import fc from "fast-check";
import { parquetWriteBuffer } from "hyparquet-writer";
import type { ColumnSource } from "hyparquet-writer";
import { findInputFiles } from "../../../../coordinator/input/input-files.ts";
import { parquetFormat } from "../../../../coordinator/input/parquet.ts";
import { assertEntersAnywhere, failure, InputFolder, openPaths, readAll, valuesOf } from "./read-input.ts";

await init();

type WriteOptions = Omit<Parameters<typeof parquetWriteBuffer>[0], "columnData">;

function parquet(columnData: ColumnSource[], options: WriteOptions = {}): Uint8Array {
  return new Uint8Array(parquetWriteBuffer({ columnData, ...options }));
}

function table(rows: number): ColumnSource[] {
  const ids = Array.from({ length: rows }, (_, id) => id);
  return [
    { name: "id", data: ids.map(BigInt), type: "INT64" },
    { name: "text", data: ids.map((id) => (id % 7 === 0 ? null : `text ${id}`)), type: "STRING", nullable: true },
  ];
}

void test("columns keep their types", async () => {
  const when = new Date("2024-05-06T07:08:09.010Z");
  const day = new Date("2024-05-06T00:00:00Z");
  const content = parquet(
    [
      { name: "s", data: ["é", null] },
      { name: "b", data: [true, null] },
      { name: "i", data: [-1, null] },
      { name: "l", data: [2n ** 62n, 5n] },
      { name: "f", data: [0.5, null] },
      { name: "d", data: [0.1, null] },
      { name: "bin", data: [new Uint8Array([0, 255]), null] },
      { name: "ts", data: [when, null] },
      { name: "day", data: [day, null] },
      { name: "json", data: [{ a: [1] }, null] },
      { name: "dec", data: [12.34, null] },
    ],
    {
      schema: [
        { name: "root", num_children: 11 },
        { name: "s", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
        { name: "b", type: "BOOLEAN", repetition_type: "OPTIONAL" },
        { name: "i", type: "INT32", repetition_type: "OPTIONAL" },
        { name: "l", type: "INT64", repetition_type: "OPTIONAL" },
        { name: "f", type: "FLOAT", repetition_type: "OPTIONAL" },
        { name: "d", type: "DOUBLE", repetition_type: "OPTIONAL" },
        { name: "bin", type: "BYTE_ARRAY", repetition_type: "OPTIONAL" },
        { name: "ts", type: "INT64", converted_type: "TIMESTAMP_MILLIS", repetition_type: "OPTIONAL" },
        { name: "day", type: "INT32", converted_type: "DATE", repetition_type: "OPTIONAL" },
        { name: "json", type: "BYTE_ARRAY", converted_type: "JSON", repetition_type: "OPTIONAL" },
        { name: "dec", type: "INT32", converted_type: "DECIMAL", scale: 2, precision: 9, repetition_type: "OPTIONAL" },
      ],
    },
  );
  await using folder = await InputFolder.make({ "a.parquet": content });
  const source = await folder.open("a.parquet");
  assert.deepEqual(
    source.schema.map(({ type }) => type),
    ["string", "bool", "int32", "int64", "float32", "float64", "binary", "timestamp", "date", "json", "string"],
  );
  const [full, empty] = valuesOf(await readAll(source));
  assert.deepEqual(full, {
    s: "é",
    b: true,
    i: -1,
    l: 2n ** 62n,
    f: 0.5,
    d: 0.1,
    bin: new Uint8Array([0, 255]),
    ts: when,
    day,
    json: { a: [1] },
    dec: "12.34",
  });
  assert.deepEqual(new Set(Object.values({ ...empty, l: null })), new Set([null]));
});

void test("lists and structs stay values", async () => {
  const data = [
    [
      { role: "user", content: "x" },
      { role: "assistant", content: null },
    ],
    [],
    null,
  ];
  const content = parquet([{ name: "messages", data }], {
    schema: [
      { name: "root", num_children: 1 },
      { name: "messages", converted_type: "LIST", repetition_type: "OPTIONAL", num_children: 1 },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      { name: "element", repetition_type: "OPTIONAL", num_children: 2 },
      { name: "role", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
      { name: "content", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
    ],
  });
  await using folder = await InputFolder.make({ "a.parquet": content });
  const source = await folder.open("a.parquet");
  assert.deepEqual(source.schema[0]?.type, { list: { struct: { role: "string", content: "string" } } });
  assert.deepEqual(
    valuesOf(await readAll(source)).map(({ messages }) => messages),
    data,
  );
});

const codecs = {
  UNCOMPRESSED: undefined,
  SNAPPY: undefined,
  GZIP: (input: Uint8Array) => gzipSync(input),
  BROTLI: (input: Uint8Array) => brotliCompressSync(input),
  ZSTD: (input: Uint8Array) => compress(Buffer.from(input), 1),
};
for (const [codec, encode] of Object.entries(codecs)) {
  void test(`pages compressed with ${codec} are read`, async () => {
    const options = { codec: codec as keyof typeof codecs, ...(encode && { compressors: { [codec]: encode } }) };
    await using folder = await InputFolder.make({ "a.parquet": parquet(table(1_000), options) });
    const rows = valuesOf(await folder.read({ path: "a.parquet", columns: ["text"] }));
    assert.equal(rows.length, 1_000);
    assert.deepEqual(rows[999], { text: "text 999" });
  });
}

void test("reading can be entered at any row, over row groups and files", async () => {
  await using folder = await InputFolder.make();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 900 }), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 700 }),
      fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
      async (counts, rowGroupSize, entries) => {
        const paths = counts.map((_, index) => `${index}.parquet`);
        for (const [index, count] of counts.entries()) {
          await folder.write(paths[index]!, parquet(table(count), { rowGroupSize, pageSize: 500 }));
        }
        const rows = await assertEntersAnywhere(await folder.open({ path: paths }), entries);
        assert.deepEqual(
          valuesOf(rows).map(({ id }) => id),
          counts.flatMap((count) => Array.from({ length: count }, (_, id) => id)),
        );
      },
    ),
    { numRuns: 30 },
  );
});

for (const offsetIndex of [true, false]) {
  void test(`a large row group is read in slices, ${offsetIndex ? "with" : "without"} an index of its pages`, async () => {
    const columns = table(5_000).map((column) => ({ ...column, offsetIndex }));
    await using folder = await InputFolder.make({
      "a.parquet": parquet(columns, { rowGroupSize: 5_000, pageSize: 500 }),
    });
    const [file] = await findInputFiles("a.parquet", folder.path);
    const ids: unknown[] = [];
    for await (const chunk of parquetFormat(10_000).rows(file!, ["id"], { at: 0, skip: 1_234 })) {
      ids.push(...chunk.map(({ record }) => Number(record?.["id"])));
    }
    assert.deepEqual(
      ids,
      Array.from({ length: 3_766 }, (_, index) => index + 1_234),
    );
  });
}

void test("files with other columns or types are refused", async () => {
  const one = parquet([{ name: "a", data: ["x"] }]);
  await using folder = await InputFolder.make({
    "1.parquet": one,
    "2.parquet": one,
    "3.parquet": parquet([{ name: "a", data: [1] }]),
  });
  assert.equal((await folder.read({ path: ["1.parquet", "2.parquet"] })).length, 2);
  assert.match((await failure(folder.open("*.parquet"), "INPUT_UNREADABLE")).place ?? "", /3\.parquet$/);
});

void test("truncated, foreign and damaged files are refused with their place", async () => {
  const whole = parquet(table(1_000), { rowGroupSize: 500 });
  const damaged = whole.slice();
  damaged.fill(0xff, 4, 1_000);
  await using folder = await InputFolder.make({
    "cut.parquet": whole.slice(0, -100),
    "short.parquet": "PAR1",
    "text.parquet": "no Parquet at all, though long enough",
    "damaged.parquet": damaged,
  });
  for (const name of ["cut", "short", "text", "damaged"]) {
    const error = await failure(folder.read(`${name}.parquet`), "INPUT_UNREADABLE");
    assert.match(error.place ?? "", new RegExp(`${name}\\.parquet`));
    assert.ok(error.mend);
    assert.deepEqual(await openPaths(folder.path), []);
  }
});

void test("a file without rows is an input without rows", async () => {
  await using folder = await InputFolder.make({ "a.parquet": parquet(table(0)), "b.parquet": "" });
  const source = await folder.open("*.parquet");
  assert.deepEqual(
    source.schema.map(({ name }) => name),
    ["id", "text"],
  );
  assert.deepEqual(await readAll(source), []);
});
