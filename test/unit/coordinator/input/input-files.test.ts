import assert from "node:assert/strict";
import { mkdir, symlink, utimes } from "node:fs/promises";
import { basename, join } from "node:path";
import { test } from "node:test";
import { findInputFiles } from "../../../../coordinator/input/input-files.ts";
import { failure, InputFolder, valuesOf } from "./read-input.ts";

void test("a glob gives its files by name, digits by their value", async () => {
  await using folder = await InputFolder.make({ "p-10.jsonl": "", "p-9.jsonl": "", "p-2.jsonl": "", "x.csv": "" });
  const files = await findInputFiles("p-*.jsonl", folder.path);
  assert.deepEqual(
    files.map(({ path }) => basename(path)),
    ["p-2.jsonl", "p-9.jsonl", "p-10.jsonl"],
  );
});

void test("entries keep the order given, and a file named twice is read once", async () => {
  await using folder = await InputFolder.make({ "a.jsonl": "", "b.jsonl": "", "c.jsonl": "" });
  const files = await findInputFiles(["c.jsonl", "*.jsonl", join(folder.path, "a.jsonl")], folder.path);
  assert.deepEqual(
    files.map(({ path }) => basename(path)),
    ["c.jsonl", "a.jsonl", "b.jsonl"],
  );
});

void test("a name with brackets is a file before it is a pattern", async () => {
  await using folder = await InputFolder.make({ "a[1].jsonl": "", "a1.jsonl": "" });
  const files = await findInputFiles("a[1].jsonl", folder.path);
  assert.deepEqual(
    files.map(({ path }) => basename(path)),
    ["a[1].jsonl"],
  );
});

void test("an absolute glob is taken as it is", async () => {
  await using folder = await InputFolder.make({ "a.jsonl": "" });
  assert.equal((await findInputFiles(`${folder.path}/*.jsonl`, "/")).length, 1);
});

void test("a missing file and a glob without match are INPUT_MISSING, with the path", async () => {
  await using folder = await InputFolder.make({ "a.jsonl": "" });
  for (const path of ["b.jsonl", "*.csv", "a.jsonl/b.jsonl"]) {
    const error = await failure(findInputFiles(path, folder.path), "INPUT_MISSING");
    assert.equal(error.place, join(folder.path, path));
    assert.match(error.mend ?? "", /input\.path/);
  }
});

void test("a folder in place of a file is INPUT_UNREADABLE, and the mend names a glob", async () => {
  await using folder = await InputFolder.make();
  await mkdir(join(folder.path, "rows"));
  const error = await failure(findInputFiles("rows", folder.path), "INPUT_UNREADABLE");
  assert.match(error.mend ?? "", /\*\.jsonl/);
});

void test("a path that the system refuses is INPUT_UNREADABLE", async () => {
  await using folder = await InputFolder.make();
  await symlink("loop.jsonl", join(folder.path, "loop.jsonl"));
  const error = await failure(findInputFiles("loop.jsonl", folder.path), "INPUT_UNREADABLE");
  assert.equal(error.place, join(folder.path, "loop.jsonl"));
});

void test("the sample changes with size, head and tail of the content, and not with the time", async () => {
  await using folder = await InputFolder.make();
  const base = Buffer.alloc(300_000, "a");
  const head = Buffer.from(base);
  const tail = Buffer.from(base);
  head[0] = 98;
  tail[299_999] = 98;
  const samples: string[] = [];
  for (const content of [base, head, tail, base.subarray(1), base]) {
    const path = await folder.write("a.jsonl", content);
    await utimes(path, 1, 1);
    const [file] = await findInputFiles("a.jsonl", folder.path);
    assert.equal(file?.bytes, content.length);
    assert.equal(file.modifiedMs, 1_000);
    samples.push(file.sample);
  }
  assert.equal(new Set(samples).size, 4);
  assert.equal(samples[4], samples[0]);
});

void test("the format comes from the name, and several formats are refused", async () => {
  await using folder = await InputFolder.make({ "a.ndjson": '{"a":"1"}\n', "b.csv": "a\n2\n", "c.txt": '{"a":3}\n' });
  assert.deepEqual(valuesOf(await folder.read("a.ndjson")), [{ a: "1" }]);
  assert.deepEqual(valuesOf(await folder.read("b.csv")), [{ a: "2" }]);
  assert.deepEqual(valuesOf(await folder.read({ path: "c.txt", format: "jsonl" })), [{ a: 3 }]);
  for (const path of ["c.txt", ["a.ndjson", "b.csv"]]) {
    assert.match((await failure(folder.open({ path }), "INPUT_UNREADABLE")).mend ?? "", /input\.format/);
  }
});

void test("columns are selected and renamed, and an unknown one is refused with the nearest", async () => {
  await using folder = await InputFolder.make({ "a.csv": "question,answer\nq,a\n", "a.jsonl": '{"question":"q"}\n' });
  const input = { path: "a.csv", columns: { instruction: "question", again: "question" } };
  assert.deepEqual(valuesOf(await folder.read(input)), [{ instruction: "q", again: "q" }]);
  assert.deepEqual(valuesOf(await folder.read({ path: "a.csv", columns: ["answer"] })), [{ answer: "a" }]);
  for (const path of ["a.csv", "a.jsonl"]) {
    const error = await failure(folder.open({ path, columns: ["qestion"] }), "COLUMN_MISSING");
    assert.match(error.message, /no column "qestion"; it has question/);
    assert.match(error.mend ?? "", /"question"/);
  }
  await failure(folder.open({ path: "a.csv", columns: ["answer", "answer"] }), "COLUMN_COLLISION");
  await failure(folder.open({ path: "a.csv", types: { anser: "json" } }), "COLUMN_MISSING");
});

void test("a frozen schema wins over what the files say", async () => {
  await using folder = await InputFolder.make({ "a.jsonl": '{"q":1}\n', "a.csv": "q,r\n1,2\n" });
  const frozen = [{ name: "id", type: "float64" }] as const;
  const source = await folder.open({ path: "a.jsonl", columns: { id: "q" } }, frozen);
  assert.deepEqual(source.schema, frozen);
  assert.deepEqual(valuesOf(await folder.read({ path: "a.csv", columns: { id: "q" } }, frozen)), [{ id: 1 }]);
  await failure(folder.open("a.csv", frozen), "COLUMN_MISSING");
});
