import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fitValue, inferType, MISFIT, parseText } from "../../../../shared/rows/infer-type.ts";
import { parseJsonText, toJsonText } from "../../../../shared/rows/json-text.ts";
import type { ColumnType } from "../../../../shared/rows/row-schema.ts";

const inferences: readonly (readonly [string, readonly unknown[], ColumnType])[] = [
  ["nothing", [], "string"],
  ["nothing but nulls", [null, undefined], "string"],
  ["texts", ["a", null], "string"],
  ["booleans", [true, false], "bool"],
  ["integers", [1, -2, null], "int64"],
  ["large integers beside small ones", [1, 2n ** 60n], "int64"],
  ["integers and fractions", [1, 2.5], "float64"],
  ["large integers and fractions", [2n ** 60n, 0.5], "json"],
  ["integers beyond 64 bits", [2n ** 64n], "json"],
  ["infinity", [Infinity, 1], "float64"],
  ["times", [new Date(0)], "timestamp"],
  ["bytes", [new Uint8Array(1)], "binary"],
  ["lists", [[1], [2.5], null], { list: "float64" }],
  ["empty lists", [[], []], { list: "string" }],
  ["lists that do not unify", [[1], ["a"]], "json"],
  ["lists of lists", [[[1]], [[]]], { list: { list: "int64" } }],
  [
    "objects alike",
    [
      { a: 1, b: null },
      { b: "x", a: 2 },
    ],
    { struct: { a: "int64", b: "string" } },
  ],
  ["objects of varying shape", [{ a: 1 }, { a: 1, b: 2 }], "json"],
  ["objects without keys", [{}], "json"],
  ["messages", [[{ role: "user", content: "x" }], []], { list: { struct: { role: "string", content: "string" } } }],
  ["mixed kinds", [1, "a"], "json"],
  ["functions", [() => 1], "json"],
];
for (const [name, values, type] of inferences) {
  void test(`${name} are inferred as ${JSON.stringify(type)}`, () => {
    assert.deepEqual(inferType(values), type);
  });
}

void test("every JSON value fits the type that is inferred from it, unchanged", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue({ noUnicodeString: false }), { maxLength: 8 }), (values) => {
      const type = inferType(values);
      for (const value of values) assert.deepEqual(fitValue(type, value), value);
    }),
  );
});

const fits: readonly (readonly [ColumnType, unknown, unknown])[] = [
  ["string", null, null],
  ["string", undefined, null],
  ["string", 1, MISFIT],
  ["bool", 0, MISFIT],
  ["int64", 2.0, 2],
  ["int64", 2.5, MISFIT],
  ["int64", "2", MISFIT],
  ["int64", 5n, 5],
  ["int64", 2n ** 63n - 1n, 2n ** 63n - 1n],
  ["int64", 2n ** 63n, MISFIT],
  ["int64", 1e20, MISFIT],
  ["int32", 2 ** 31, MISFIT],
  ["int32", -5n, -5],
  ["float64", 3, 3],
  ["float64", 2n ** 60n, 2 ** 60],
  ["float64", "3", MISFIT],
  ["binary", "abc", MISFIT],
  ["timestamp", "2024-02-29T12:00:00+02:00", new Date("2024-02-29T10:00:00Z")],
  ["timestamp", "2024-02-29 12:00", new Date("2024-02-29T12:00:00Z")],
  ["timestamp", "2024-02-30", MISFIT],
  ["timestamp", "yesterday", MISFIT],
  ["timestamp", new Date(Number.NaN), MISFIT],
  ["date", "2024-02-29", new Date("2024-02-29T00:00:00Z")],
  ["date", new Date("2024-02-29T01:00:00Z"), MISFIT],
  [{ list: "int64" }, [1, null, 3n], [1, null, 3]],
  [{ list: "int64" }, [1, "a"], MISFIT],
  [{ list: "int64" }, "a", MISFIT],
  [{ struct: { a: "int64", b: "string" } }, { a: 1 }, { a: 1, b: null }],
  [{ struct: { a: "int64" } }, { a: 1, c: 2 }, MISFIT],
  [{ struct: { a: "int64" } }, [1], MISFIT],
  ["json", { a: [1, "x", null, 2n ** 70n] }, { a: [1, "x", null, 2n ** 70n] }],
  ["json", { a: new Date(0) }, MISFIT],
  ["json", Number.NaN, MISFIT],
];
for (const [type, value, fitted] of fits) {
  const verb = fitted === MISFIT ? "does not fit" : "fits";
  void test(`${toText(value)} ${verb} ${JSON.stringify(type)}`, () => {
    assert.deepEqual(fitValue(type, value), fitted);
  });
}

const texts: readonly (readonly [ColumnType, string, unknown])[] = [
  ["string", "", ""],
  ["int64", "", null],
  ["int64", " 42 ", 42],
  ["int64", "9223372036854775807", 9223372036854775807n],
  ["int64", "9223372036854775808", MISFIT],
  ["int64", "2.0", 2],
  ["int64", "4x", MISFIT],
  ["int32", "+7", 7],
  ["float64", "1e3", 1000],
  ["float64", ".5", 0.5],
  ["float64", "0x10", MISFIT],
  ["float64", "-inf", -Infinity],
  ["float64", "NaN", Number.NaN],
  ["bool", "True", true],
  ["bool", "yes", MISFIT],
  ["binary", "AAE=", new Uint8Array([0, 1])],
  ["binary", "?", MISFIT],
  ["date", "2024-01-31", new Date("2024-01-31T00:00:00Z")],
  ["json", '{"a":9007199254740993}', { a: 9007199254740993n }],
  ["json", "{a}", MISFIT],
  [{ list: "int64" }, "[1,2]", [1, 2]],
  [{ list: "int64" }, '["a"]', MISFIT],
];
for (const [type, text, value] of texts) {
  void test(`the text "${text}" as ${JSON.stringify(type)} is ${toText(value)}`, () => {
    assert.deepEqual(parseText(type, text), value);
  });
}

void test("JSON keeps every digit of integers, at any depth, there and back", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), fc.string(), (integer, key) => {
      const text = `{${JSON.stringify(key)}:[${integer},{"x":${integer}}]}`;
      assert.equal(toJsonText(parseJsonText(text)), text);
    }),
  );
});

void test("floats with many digits stay numbers", () => {
  const text = '{"a":0.1234567890123456,"b":1e22,"c": 9007199254740993 }';
  assert.deepEqual(parseJsonText(text), { a: 0.1234567890123456, b: 1e22, c: 9007199254740993n });
});

function toText(value: unknown): string {
  return typeof value === "symbol" ? "a misfit" : value instanceof Date ? `time ${value.getTime()}` : toJsonText(value);
}
