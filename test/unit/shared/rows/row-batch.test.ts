import assert from "node:assert/strict";
import { test } from "node:test";
import { tableFromIPC } from "apache-arrow";
import fc from "fast-check";
import { isTidingError } from "../../../../shared/errors.ts";
import { decodeRowBatch, encodeRowBatch } from "../../../../shared/rows/row-batch.ts";
import type { ColumnType, RowSchema } from "../../../../shared/rows/row-schema.ts";

const samples: readonly (readonly [ColumnType, readonly unknown[]])[] = [
  ["string", ["", "naïve 日本語 🐦‍⬛", null, "a\u0000b", "x".repeat(5_000)]],
  ["bool", [true, false, null, true, false]],
  ["int32", [0, -1, null, 2 ** 31 - 1, -(2 ** 31)]],
  ["int64", [0, -1, null, Number.MAX_SAFE_INTEGER, -(2n ** 63n)]],
  ["int64", [2n ** 63n - 1n, Number.MIN_SAFE_INTEGER, 2n ** 53n, -(2n ** 53n) - 1n, -(2 ** 32)]],
  ["float32", [0.5, -2, null, Infinity, Number.NaN]],
  ["float64", [0.1, -1e300, null, -Infinity, Number.NaN]],
  ["binary", [new Uint8Array([0, 255]), new Uint8Array(), null, new Uint8Array(9), new Uint8Array([1])]],
  ["timestamp", [new Date(0), new Date(-1), null, new Date("2026-11-21T12:34:56.789Z"), new Date(8.64e15)]],
  ["date", [new Date("1969-12-31"), new Date("2026-11-21"), null, new Date(0), new Date("9999-01-01")]],
  ["json", ["text", { a: [1, { b: null }] }, null, 12345678901234567890n, [true, 2n ** 60n]]],
  [{ list: "int64" }, [[], [1, null, 2n ** 60n], null, [-1], [0]]],
  [
    { list: { struct: { at: "timestamp", bytes: "binary", score: "float64" } } },
    [
      [{ at: new Date(5), bytes: new Uint8Array([7]), score: Number.NaN }],
      [{ at: null, bytes: null, score: -Infinity }, null],
      null,
      [],
      [{ at: new Date(6), bytes: new Uint8Array(), score: 0.25 }],
    ],
  ],
  [
    "image",
    [
      { bytes: new Uint8Array([137, 80]), path: "a.png" },
      { bytes: new Uint8Array(), path: null },
      null,
      { bytes: null, path: "b.png" },
      { bytes: new Uint8Array(9), path: "" },
    ],
  ],
  [{ list: "image" }, [[], [{ bytes: new Uint8Array([7]), path: null }, null], null, [], []]],
  [{ struct: { role: "string", content: "json" } }, [{ role: "user", content: { n: 1 } }, null, null, null, null]],
];
const schema: RowSchema = samples.map(([type], index) => ({ name: `column ${index}`, type }));
const columns = samples.map(([, values]) => values);

void test("a batch gives back every value of every type, and its schema", () => {
  const decoded = decodeRowBatch(encodeRowBatch(schema, columns, 5));
  assert.equal(decoded.rows, 5);
  assert.deepEqual(decoded.schema, schema);
  assert.deepEqual(decoded.columns, columns);
});

void test("any text comes back, nulls and all", () => {
  const text: RowSchema = [{ name: "text", type: "string" }];
  fc.assert(
    fc.property(fc.array(fc.option(fc.string({ unit: "binary" }))), (values) => {
      assert.deepEqual(decodeRowBatch(encodeRowBatch(text, [values], values.length)).columns, [values]);
    }),
  );
});

void test("the same values give the same bytes, whatever was encoded in between", () => {
  const first = encodeRowBatch(schema, columns, 5);
  encodeRowBatch([{ name: "noise", type: "string" }], [["\u00ff".repeat(40_000)]], 1);
  const again = encodeRowBatch(
    schema.map((column) => ({ ...column })),
    columns,
    5,
  );
  assert.deepEqual(again, first);
});

void test("a batch without rows keeps its schema", () => {
  const empty = encodeRowBatch(
    schema,
    schema.map(() => []),
    0,
  );
  assert.deepEqual(decodeRowBatch(empty), { schema, rows: 0, columns: schema.map(() => []) });
});

void test("undefined is null", () => {
  const type: RowSchema = [{ name: "n", type: { struct: { a: "int32" } } }];
  assert.deepEqual(decodeRowBatch(encodeRowBatch(type, [[undefined]], 1)).columns, [[null]]);
});

void test("a batch can lie anywhere in a larger buffer", () => {
  const bytes = encodeRowBatch(schema, columns, 5);
  const larger = new Uint8Array(bytes.length + 20);
  for (const offset of [1, 3, 8]) {
    larger.set(bytes, offset);
    const decoded = decodeRowBatch(larger.subarray(offset, offset + bytes.length));
    assert.deepEqual(decoded.columns, columns);
  }
});

void test("what was decoded does not change with the buffer it came from", () => {
  const bytes = encodeRowBatch(schema, columns, 5);
  const decoded = decodeRowBatch(bytes);
  bytes.fill(0);
  assert.deepEqual(decoded.columns, columns);
});

void test("apache-arrow reads a batch as a stream", () => {
  const table = tableFromIPC(encodeRowBatch(schema, columns, 5));
  assert.equal(table.numRows, 5);
  assert.deepEqual(table.getChildAt(0)?.toArray(), columns[0]);
  assert.equal(table.getChildAt(3)?.get(4), -(2n ** 63n));
  assert.equal(table.getChildAt(8)?.type.toString(), "Timestamp<MICROSECOND, UTC>");
});

void test("a batch that was cut is refused, wherever it was cut", () => {
  const bytes = encodeRowBatch(schema, columns, 5);
  const end = bytes.length - 8;
  for (const length of [0, 3, 8, 100, end - 10_000, end - 8]) {
    assert.throws(
      () => decodeRowBatch(bytes.subarray(0, Math.max(length, 0))),
      (error) => isTidingError(error) && error.code === "STORE_DAMAGED",
      `cut at ${length}`,
    );
  }
});

void test("a time that is none is refused in place of becoming 1970", () => {
  assert.throws(
    () => encodeRowBatch([{ name: "at", type: "timestamp" }], [[new Date(Number.NaN)]], 1),
    (error) => isTidingError(error) && error.code === "INTERNAL",
  );
});
