import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { compress, init } from "@bokuweb/zstd-wasm";
import { assertEntersAnywhere, failure, InputFolder, readAll, valuesOf } from "./read-input.ts";

await init();
const rows = Array.from({ length: 3_000 }, (_, id) => ({ id, text: randomBytes(200).toString("hex") }));
const content = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
const compressed: readonly (readonly [string, Buffer])[] = [
  ["gz", gzipSync(content)],
  ["zst", Buffer.from(compress(content, 3))],
];

for (const [extension, bytes] of compressed) {
  void test(`.${extension} files are read and entered by rows`, async () => {
    await using folder = await InputFolder.make({ [`a.jsonl.${extension}`]: bytes });
    const source = await folder.open(`a.jsonl.${extension}`);
    assert.deepEqual(valuesOf(await assertEntersAnywhere(source, [0, 1, 257, 2_999])), rows);
    const second = (await readAll(source))[1];
    assert.deepEqual(second?.offset, { file: 0, at: 0, skip: 1 });
  });

  void test(`.${extension} files of several members are read whole`, async () => {
    await using folder = await InputFolder.make({ [`a.jsonl.${extension}`]: Buffer.concat([bytes, bytes]) });
    assert.equal((await folder.read(`a.jsonl.${extension}`)).length, 6_000);
  });

  void test(`a .${extension} file that was cut off is refused with its path, after the rows before the cut`, async () => {
    await using folder = await InputFolder.make({ [`a.jsonl.${extension}`]: bytes.subarray(0, bytes.length - 900) });
    const source = await folder.open(`a.jsonl.${extension}`);
    const error = await failure(readAll(source), "INPUT_UNREADABLE");
    assert.match(error.place ?? "", /a\.jsonl/);
    assert.match(error.mend ?? "", / -t/);
  });
}

void test("compression is told by the content, whatever the name", async () => {
  await using folder = await InputFolder.make({ "a.jsonl": gzipSync(content), "b.jsonl.gz": content });
  assert.equal((await folder.read("a.jsonl")).length, 3_000);
  assert.equal((await folder.read("b.jsonl.gz")).length, 3_000);
});

void test("a compression that is not read here is named", async () => {
  await using folder = await InputFolder.make({ "a.jsonl": Buffer.from("fd377a585a000000", "hex") });
  const error = await failure(folder.open("a.jsonl"), "INPUT_UNREADABLE");
  assert.match(error.message, /\bxz\b/);
  assert.match(error.mend ?? "", /gzip or zstd/);
});

void test("damage in the middle of a compressed file is refused", async () => {
  const damaged = gzipSync(content);
  damaged.fill(0xff, 200_000, 200_200);
  await using folder = await InputFolder.make({ "a.jsonl.gz": damaged });
  await failure(folder.read("a.jsonl.gz"), "INPUT_UNREADABLE");
});
