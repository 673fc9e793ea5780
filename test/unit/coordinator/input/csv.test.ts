import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { assertEntersAnywhere, failure, InputFolder, openPaths, readAll, valuesOf } from "./read-input.ts";

void test("columns are named by the header and are strings", async () => {
  await using folder = await InputFolder.make({ "a.csv": '\uFEFFid,text\r\n1,"a, ""b""\r\nc"\r\n\r\n2,\r\n' });
  const source = await folder.open("a.csv");
  assert.deepEqual(source.schema, [
    { name: "id", type: "string" },
    { name: "text", type: "string" },
  ]);
  assert.deepEqual(valuesOf(await readAll(source)), [
    { id: "1", text: 'a, "b"\r\nc' },
    { id: "2", text: "" },
  ]);
});

void test("declared types are parsed, empty fields are null, and what does not parse is a fault", async () => {
  await using folder = await InputFolder.make({ "a.csv": 'n,j,when\n1,"{""a"":[1]}",2024-01-31\n,,\nx,1,\n' });
  const rows = await folder.read({ path: "a.csv", types: { n: "int64", j: "json", when: "timestamp" } });
  assert.deepEqual(valuesOf(rows.slice(0, 2)), [
    { n: 1, j: { a: [1] }, when: new Date("2024-01-31T00:00:00Z") },
    { n: null, j: null, when: null },
  ]);
  assert.match(rows[2]?.fault?.place ?? "", /a\.csv:4$/);
  assert.match(rows[2]?.fault?.message ?? "", /"n" is of type int64/);
});

void test("delimiter and header can be given, and .tsv means tabs", async () => {
  await using folder = await InputFolder.make({ "a.csv": "1;2\n", "b.tsv": "x\ty\n1\t2\n" });
  const csv = { delimiter: ";", header: ["x", "y"] };
  assert.deepEqual(valuesOf(await folder.read({ path: "a.csv", csv })), [{ x: "1", y: "2" }]);
  assert.deepEqual(valuesOf(await folder.read("b.tsv")), [{ x: "1", y: "2" }]);
});

void test("a record with a wrong number of fields is a fault with its line, and the others go on", async () => {
  await using folder = await InputFolder.make({ "a.csv": 'a,b\n"1\n1",2\n3\n4,5,6\n7,8\n' });
  const rows = await folder.read("a.csv");
  assert.deepEqual(
    rows.map(({ fault }) => fault?.place.replace(/^.*:/, "")),
    [undefined, "4", "5", undefined],
  );
  assert.equal(rows[2]?.fault?.raw, "4,5,6");
  assert.match(rows[1]?.fault?.message ?? "", /1 fields where the header has 2/);
});

void test("a quote in the middle of an unquoted field stands for itself", async () => {
  await using folder = await InputFolder.make({ "a.csv": 'a,b\n5" pipe,6" x 7"\nx,y\n' });
  assert.deepEqual(valuesOf(await folder.read("a.csv")), [
    { a: '5" pipe', b: '6" x 7"' },
    { a: "x", b: "y" },
  ]);
});

const brokenQuotes: readonly (readonly [string, string, RegExp])[] = [
  ["that is never closed", 'a,b\n1,2\n3,"4\n5,6\n', /never closed; its record starts at byte 8/],
  [
    "that closes in the middle of a field",
    'a,b\n1,2\n"3"4,5\n',
    /behind its closing quote; its record starts at byte 8/,
  ],
];
for (const [name, content, message] of brokenQuotes) {
  void test(`a quote ${name} stops the reading, with where its record starts`, async () => {
    await using folder = await InputFolder.make({ "a.csv": content });
    const error = await failure(folder.read("a.csv"), "INPUT_UNREADABLE");
    assert.match(error.message, message);
    assert.match(error.place ?? "", /a\.csv/);
  });
}

void test("an unclosed quote in a large file is found before it fills the memory", async () => {
  await using folder = await InputFolder.make({ "a.csv": `a,b\n1,"2\n${"3,4\n".repeat(4_500_000)}"\n` });
  const error = await failure(folder.read("a.csv"), "INPUT_UNREADABLE");
  assert.match(error.message, /record that starts at byte 4 is longer than \d+ bytes/);
  assert.deepEqual(await openPaths(folder.path), []);
});

for (const [name, header] of [
  ["empty", "a,,c"],
  ["repeated", "a,b,a"],
] as const) {
  void test(`an ${name} column name is refused with its place`, async () => {
    await using folder = await InputFolder.make({ "a.csv": `${header}\n1,2,3\n` });
    assert.match((await failure(folder.open("a.csv"), "INPUT_UNREADABLE")).place ?? "", /a\.csv:1$/);
  });
}

void test("files with other columns are refused, the same in another order are not", async () => {
  await using folder = await InputFolder.make({ "a.csv": "x,y\n1,2\n", "b.csv": "y,x\n4,3\n", "c.csv": "x,z\n5,6\n" });
  const rows = await folder.read({ path: ["a.csv", "b.csv"] });
  assert.deepEqual(valuesOf(rows), [
    { x: "1", y: "2" },
    { x: "3", y: "4" },
  ]);
  const error = await failure(folder.open("*.csv"), "INPUT_UNREADABLE");
  assert.match(error.place ?? "", /c\.csv$/);
  assert.match(error.message, /"y"/);
});

void test("a file without rows, with or without a header, is an input without rows", async () => {
  await using folder = await InputFolder.make({ "a.csv": "", "b.csv": "x,y" });
  assert.deepEqual((await folder.open("a.csv")).schema, []);
  const source = await folder.open("*.csv");
  assert.deepEqual(
    source.schema.map(({ name }) => name),
    ["x", "y"],
  );
  assert.deepEqual(await readAll(source), []);
});

void test("a record that is not valid UTF-8 is a fault", async () => {
  const content = Buffer.concat([Buffer.from("a\né\n\uFFFD\n"), Buffer.from("\xff\n", "latin1"), Buffer.from("b\n")]);
  await using folder = await InputFolder.make({ "a.csv": content });
  const rows = await folder.read("a.csv");
  assert.equal(rows.at(-2)?.fault?.message, "The row is not valid UTF-8.");
  assert.deepEqual(valuesOf([rows[0]!, rows[3]!]), [{ a: "é" }, { a: "b" }]);
});

const word = fc.string({ unit: "binary" }).map((text) => text.replaceAll("\0", ""));
const field = fc.oneof(word, fc.constantFrom("", '"', "\n", "a,b", "x".repeat(70_000)));
const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const anyLine = fc.oneof(
  fc.tuple(field, field).map((fields) => fields.map(quote).join(",")),
  fc.constantFrom("", "only one", "a,b,c", '5" x,y'),
);

void test("reading can be entered at any row, in plain and in compressed files, with and without a header", async () => {
  await using folder = await InputFolder.make();
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyLine, { maxLength: 30 }),
      fc.constantFrom("\n", "\r\n"),
      fc.record({ hasMark: fc.boolean(), hasHeader: fc.boolean(), isCompressed: fc.boolean() }),
      fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
      async (lines, end, { hasMark, hasHeader, isCompressed }, entries) => {
        const content = `${hasMark ? "\uFEFF" : ""}${(hasHeader ? ["x,y", ...lines] : lines).join(end)}`;
        await folder.write("a.csv", isCompressed ? gzipSync(content) : content);
        const source = await folder.open({ path: "a.csv", ...(hasHeader ? {} : { csv: { header: ["x", "y"] } }) });
        const rows = await assertEntersAnywhere(source, entries);
        assert.equal(rows.length, lines.filter((line) => line !== "").length);
      },
    ),
    { numRuns: 60 },
  );
});
