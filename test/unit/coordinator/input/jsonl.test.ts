import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { assertEntersAnywhere, failure, InputFolder, openPaths, readAll, valuesOf } from "./read-input.ts";

const lines = (...rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

void test("each line is a row; blank lines and the byte order mark are none", async () => {
  await using folder = await InputFolder.make({ "a.jsonl": `\uFEFF{"a":"é"}\r\n\n  \n{"a":"y"}` });
  const rows = await folder.read("a.jsonl");
  assert.deepEqual(valuesOf(rows), [{ a: "é" }, { a: "y" }]);
});

void test("types come from the first rows, and a whole number written as 1.0 counts as a fraction", async () => {
  await using folder = await InputFolder.make({
    "a.jsonl": `{"i":1,"f":1.0,"m":[{"role":"user"}],"v":1}\n{"v":"x"}\n`,
  });
  const source = await folder.open("a.jsonl");
  assert.deepEqual(source.schema, [
    { name: "i", type: "int64" },
    { name: "f", type: "float64" },
    { name: "m", type: { list: { struct: { role: "string" } } } },
    { name: "v", type: "json" },
  ]);
  const [, second] = valuesOf(await readAll(source));
  assert.deepEqual(second, { i: null, f: null, m: null, v: "x" });
});

void test("declared types win, and declare columns that come late", async () => {
  await using folder = await InputFolder.make({ "a.jsonl": `${lines({ a: 1 }).repeat(1_100)}{"a":2.5,"late":7}\n` });
  const rows = await folder.read({ path: "a.jsonl", types: { a: "float64", late: "int32" } });
  assert.deepEqual(valuesOf(rows).at(-1), { a: 2.5, late: 7 });
});

void test("integers beyond 2^53 keep their digits", async () => {
  await using folder = await InputFolder.make({
    "a.jsonl": '{"a":9007199254740993,"b":{"c":[12345678901234567890123]}}\n',
  });
  const [values] = valuesOf(await folder.read("a.jsonl"));
  assert.deepEqual(values, { a: 9007199254740993n, b: { c: [12345678901234567890123n] } });
});

void test("a row that cannot be read has a fault with its line, and the others go on", async () => {
  const content = [
    '{"a":1}',
    '{"a":secret}',
    "[1]",
    "",
    '{"a":"x"}',
    '{"a":2,"b":3}',
    '{"a":{"list":"y"}}',
    '{"a":3}',
  ].join("\n");
  await using folder = await InputFolder.make({ "a.jsonl": content });
  const rows = await folder.read("a.jsonl", [{ name: "a", type: "int64" }]);
  const faults = rows.flatMap(({ fault }) => fault ?? []);
  assert.deepEqual(
    faults.map(({ place }) => place.slice(folder.path.length)),
    ["/a.jsonl:2", "/a.jsonl:3", "/a.jsonl:5", "/a.jsonl:6", "/a.jsonl:7"],
  );
  assert.match(faults[0]!.message, /not JSON/);
  assert.doesNotMatch(faults[0]!.message, /secret/);
  assert.equal(faults[0]!.raw, '{"a":secret}');
  assert.match(faults[1]!.message, /not a JSON object/);
  assert.match(faults[2]!.message, /"a" is of type int64, but the row has a text/);
  assert.match(faults[3]!.message, /"b" is not one of the input's columns.*input\.types/);
  assert.match(faults[4]!.message, /an object/);
  assert.deepEqual(
    rows.filter(({ fault }) => fault === null).map(({ values }) => values["a"]),
    [1, 3],
  );
});

void test("columns that are not selected never matter", async () => {
  await using folder = await InputFolder.make({ "a.jsonl": '{"a":1,"b":1}\n{"a":2,"b":"x","c":3}\n' });
  const rows = await folder.read({ path: "a.jsonl", columns: { id: "a" } });
  assert.deepEqual(valuesOf(rows), [{ id: 1 }, { id: 2 }]);
});

void test("a fault keeps at most 4 KiB of its row", async () => {
  await using folder = await InputFolder.make({ "a.jsonl": `{"a":1}\n${"é".repeat(5_000)}\n` });
  const raw = (await folder.read("a.jsonl"))[1]?.fault?.raw ?? "";
  assert.equal(raw, "é".repeat(2_048));
});

void test("with strict the first row that cannot be read stops the reading, with its place", async () => {
  await using folder = await InputFolder.make({ "a.jsonl": '{"a":1}\n{"a":\n' });
  const error = await failure(folder.read({ path: "a.jsonl", strict: true }), "INPUT_UNREADABLE");
  assert.match(error.place ?? "", /a\.jsonl:2$/);
  assert.match(error.mend ?? "", /input\.strict/);
});

void test("a line that is not valid UTF-8 is a fault", async () => {
  const content = Buffer.concat([Buffer.from(lines({ a: "é" }, { a: "b" })), Buffer.from('{"a":"\xff"}\n', "latin1")]);
  await using folder = await InputFolder.make({ "a.jsonl": content });
  const rows = await folder.read("a.jsonl");
  assert.deepEqual(
    rows.map(({ fault }) => fault?.message),
    [undefined, undefined, "The line is not valid UTF-8."],
  );
});

const noText: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
  ["binary", new Uint8Array(5_000), /binary/],
  ["UTF-16", Buffer.from(`\uFEFF${lines({ a: 1 })}`, "utf16le"), /UTF-16/],
  ["Latin-1", Buffer.from(lines({ a: "é" }).repeat(9), "latin1"), /not text in UTF-8/],
  ["an array", '[\n  {"a":1},\n  {"a":2}\n]\n', /JSON array/],
  ["objects over several lines", '{\n  "a": 1\n}\n', /several lines/],
];
for (const [name, content, message] of noText) {
  void test(`a file of ${name} is refused when it is opened`, async () => {
    await using folder = await InputFolder.make({ "a.json": content });
    const error = await failure(folder.open("a.json"), "INPUT_UNREADABLE");
    assert.match(error.message, message);
    assert.ok(error.mend);
  });
}

void test("a JSON array is refused with the command that converts it", async () => {
  await using folder = await InputFolder.make({ "a.json": " [1]" });
  assert.match((await failure(folder.open("a.json"), "INPUT_UNREADABLE")).mend ?? "", /jq -c '\.\[\]'/);
});

void test("a file without rows is an input without rows", async () => {
  await using folder = await InputFolder.make({ "a.jsonl": "", "b.jsonl": "\n\n" });
  const source = await folder.open({ path: "*.jsonl", columns: ["a"], types: { a: "int64" } });
  assert.deepEqual(source.schema, [{ name: "a", type: "int64" }]);
  assert.deepEqual(await readAll(source), []);
});

const anyLine = fc.oneof(
  fc.record({ a: fc.string({ unit: "binary" }), n: fc.integer() }).map((row) => JSON.stringify(row)),
  fc.constantFrom("", "  ", "{broken", '{"other":1}', "x".repeat(300_000)),
);

void test("reading can be entered at any row, in plain and in compressed files", async () => {
  await using folder = await InputFolder.make();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(anyLine, { maxLength: 30 }), { minLength: 1, maxLength: 3 }),
      fc.constantFrom("\n", "\r\n"),
      fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
      async (files, end, entries) => {
        const paths: string[] = [];
        for (const [index, file] of files.entries()) {
          const content = file.join(end);
          const name = `${index}.jsonl`;
          paths.push(name);
          await folder.write(name, index === 1 ? gzipSync(content) : content);
        }
        const columns = [
          { name: "a", type: "string" },
          { name: "n", type: "int64" },
        ] as const;
        const rows = await assertEntersAnywhere(await folder.open({ path: paths }, columns), entries);
        assert.equal(rows.length, files.flat().filter((line) => line.trim() !== "").length);
      },
    ),
    { numRuns: 60 },
  );
});

void test("a consumer that stops leaves no file open", async () => {
  // Random, so that the compressed file does not fit one read.
  const content = lines(...Array.from({ length: 2_000 }, () => ({ a: randomBytes(600).toString("base64") })));
  await using folder = await InputFolder.make({ "a.jsonl": content, "b.jsonl.gz": gzipSync(content) });
  for (const path of ["a.jsonl", "b.jsonl.gz"]) {
    const source = await folder.open(path);
    for await (const chunk of source.rows(null, new AbortController().signal)) {
      assert.ok(chunk.length > 0 && chunk.length <= 512);
      assert.equal((await openPaths(folder.path)).length, 1);
      break;
    }
    assert.deepEqual(await openPaths(folder.path), []);
  }
});

void test("an abort stops the reading and closes the file", async () => {
  await using folder = await InputFolder.make({ "a.jsonl": lines({ a: 1 }).repeat(9_000) });
  const source = await folder.open("a.jsonl");
  const stop = new AbortController();
  let rows = 0;
  await assert.rejects(async () => {
    for await (const chunk of source.rows(null, stop.signal)) {
      rows += chunk.length;
      stop.abort(new Error("enough"));
    }
  }, /enough/);
  assert.ok(rows < 9_000);
  assert.deepEqual(await openPaths(folder.path), []);
});
