import assert from "node:assert/strict";
import { test } from "node:test";
import { compress, init } from "@bokuweb/zstd-wasm";
import * as arrow from "apache-arrow";
import fc from "fast-check";
import { assertEntersAnywhere, failure, InputFolder, openPaths, readAll, valuesOf } from "./read-input.ts";

await init();

const kinds = ["file", "stream"] as const;
type Kind = (typeof kinds)[number];

function write(
  batches: readonly arrow.RecordBatch[],
  kind: Kind,
  { schema, compressionType }: { readonly schema: arrow.Schema; readonly compressionType?: arrow.CompressionType },
): Uint8Array {
  const Writer = kind === "file" ? arrow.RecordBatchFileWriter : arrow.RecordBatchStreamWriter;
  const writer = new Writer(compressionType === undefined ? {} : { compressionType });
  writer.reset(undefined, schema);
  for (const batch of batches) writer.write(batch);
  writer.finish();
  return writer.toUint8Array(true);
}

/** Ids that count on, and a dictionary of texts. */
function countingTable(counts: readonly number[]): arrow.Table {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const ids = Array.from({ length: total }, (_, id) => id);
  return new arrow.Table({
    id: arrow.vectorFromArray(ids, new arrow.Int32()),
    text: arrow.vectorFromArray(
      ids.map((id) => (id % 3 === 0 ? null : `t${id % 5}`)),
      new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32(), 1),
    ),
  });
}

function split(table: arrow.Table, counts: readonly number[]): arrow.RecordBatch[] {
  let start = 0;
  return counts.flatMap((count) => {
    const part = table.slice(start, start + count);
    start += count;
    return count === 0 ? [] : part.batches;
  });
}

for (const kind of kinds) {
  void test(`columns of the ${kind} format keep their types`, async () => {
    const when = new Date("2024-05-06T07:08:09.010Z");
    const struct = new arrow.Struct([
      new arrow.Field("role", new arrow.Utf8(), true),
      new arrow.Field("score", new arrow.Float32(), true),
    ]);
    const table = new arrow.Table({
      s: arrow.vectorFromArray(["é", null], new arrow.Utf8()),
      l: arrow.vectorFromArray([2n ** 62n, 5n], new arrow.Int64()),
      u: arrow.vectorFromArray([4_000_000_000, null], new arrow.Uint32()),
      b: arrow.vectorFromArray([true, null], new arrow.Bool()),
      f: arrow.vectorFromArray([0.1, null], new arrow.Float64()),
      bin: arrow.vectorFromArray([new Uint8Array([0, 255]), null], new arrow.Binary()),
      ts: arrow.vectorFromArray([when, null], new arrow.TimestampMicrosecond()),
      day: arrow.vectorFromArray([new Date("2024-05-06T00:00:00Z"), null], new arrow.DateDay()),
      list: arrow.vectorFromArray([[1, null], null], new arrow.List(new arrow.Field("item", new arrow.Int32(), true))),
      st: arrow.vectorFromArray([{ role: "user", score: 0.5 }, null], struct),
    });
    await using folder = await InputFolder.make({ "a.arrow": write(table.batches, kind, table) });
    const source = await folder.open("a.arrow");
    assert.deepEqual(
      source.schema.map(({ type }) => type),
      [
        "string",
        "int64",
        "int64",
        "bool",
        "float64",
        "binary",
        "timestamp",
        "date",
        { list: "int32" },
        { struct: { role: "string", score: "float32" } },
      ],
    );
    const [full, empty] = valuesOf(await readAll(source));
    assert.deepEqual(full, {
      s: "é",
      l: 2n ** 62n,
      u: 4_000_000_000,
      b: true,
      f: 0.1,
      bin: new Uint8Array([0, 255]),
      ts: when,
      day: new Date("2024-05-06T00:00:00Z"),
      list: [1, null],
      st: { role: "user", score: 0.5 },
    });
    assert.deepEqual(new Set(Object.values({ ...empty, l: null })), new Set([null]));
  });

  void test(`reading the ${kind} format can be entered at any row`, async () => {
    await using folder = await InputFolder.make();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 600 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
        async (counts, entries) => {
          const table = countingTable(counts);
          await folder.write("a.arrow", write(split(table, counts), kind, table));
          const rows = valuesOf(await assertEntersAnywhere(await folder.open("a.arrow"), entries));
          assert.deepEqual(
            rows,
            table.toArray().map((row) => ({ ...(row as object) })),
          );
        },
      ),
      { numRuns: 30 },
    );
  });

  void test(`a ${kind} that was cut off is refused with its place, and closed`, async () => {
    const table = countingTable([300, 300]);
    const whole = write(split(table, [300, 300]), kind, table);
    await using folder = await InputFolder.make({ "a.arrow": whole.subarray(0, whole.length - 900) });
    const error = await failure(folder.read("a.arrow"), "INPUT_UNREADABLE");
    assert.match(error.place ?? "", /a\.arrow/);
    assert.deepEqual(await openPaths(folder.path), []);
  });

  void test(`a ${kind} without rows is an input without rows`, async () => {
    await using folder = await InputFolder.make({ "a.arrow": write([], kind, countingTable([])), "b.arrow": "" });
    const source = await folder.open("*.arrow");
    assert.deepEqual(
      source.schema.map(({ name }) => name),
      ["id", "text"],
    );
    assert.deepEqual(await readAll(source), []);
  });
}

void test("only the selected columns are read", async () => {
  const table = countingTable([5]);
  await using folder = await InputFolder.make({ "a.arrow": write(table.batches, "stream", table) });
  assert.deepEqual(valuesOf(await folder.read({ path: "a.arrow", columns: { t: "text" } }))[1], { t: "t1" });
});

void test("a foreign file is refused", async () => {
  await using folder = await InputFolder.make({ "a.arrow": "no Arrow at all, but a few words of text\n" });
  assert.ok((await failure(folder.open("a.arrow"), "INPUT_UNREADABLE")).mend);
});

void test("the first Feather version is refused by its name", async () => {
  await using folder = await InputFolder.make({ "a.feather": "FEA1 and so on until the end FEA1" });
  assert.match((await failure(folder.open("a.feather"), "INPUT_UNREADABLE")).message, /Feather/);
});

void test("bodies compressed with zstd are read, others are refused by their name", async () => {
  const table = countingTable([500]);
  const written = (type: arrow.CompressionType, encode: (bytes: Uint8Array) => Uint8Array): Uint8Array => {
    arrow.compressionRegistry.set(type, { encode });
    return write(table.batches, "file", { schema: table.schema, compressionType: type });
  };
  const lz4Magic = [4, 34, 77, 24, 0x40, 0, 0];
  await using folder = await InputFolder.make({
    "zstd.arrow": written(arrow.CompressionType.ZSTD, (bytes) => compress(Buffer.from(bytes), 1)),
    "lz4.arrow": written(arrow.CompressionType.LZ4_FRAME, (bytes) => Uint8Array.from([...lz4Magic, ...bytes])),
  });
  assert.deepEqual(valuesOf(await folder.read("zstd.arrow"))[499], { id: 499, text: "t4" });
  const error = await failure(folder.read("lz4.arrow"), "INPUT_UNREADABLE");
  assert.match(error.message, /LZ4/);
  assert.match(error.mend ?? "", /zstd/);
});
