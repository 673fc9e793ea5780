import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { imageColumns, imageOr } from "../../../../coordinator/input/image-columns.ts";
import { openPartWriter } from "../../../../coordinator/sink/open-part.ts";
import type { RowSchema } from "../../../../shared/rows/row-schema.ts";
import { loadZstd } from "../../../../shared/rows/zstd.ts";
import { temporaryFolder } from "../../../support/result-rows.ts";
import { InputFolder, readAll, valuesOf } from "./read-input.ts";

for (const format of ["parquet", "arrow"] as const) {
  void test(`an image column of a ${format} file comes in as one, a struct of the same fields as a struct`, async (t) => {
    const path = join(temporaryFolder(t), `images.${format}`);
    const struct = { struct: { bytes: "binary", path: "string" } } as const;
    const schema: RowSchema = [
      { name: "image", type: "image" },
      { name: "sound", type: struct },
    ];
    const media = { bytes: new Uint8Array([1, 2, 255]), path: null };
    const writer = openPartWriter(format, path, { schema, zstd: await loadZstd() });
    writer.write([
      [media, null],
      [media, media],
    ]);
    writer.finish();
    await using folder = await InputFolder.make({ [`in.${format}`]: await readFile(path) });
    const source = await folder.open(`in.${format}`);
    assert.deepEqual(source.schema, schema);
    assert.deepEqual(valuesOf(await readAll(source)), [
      { image: media, sound: media },
      { image: null, sound: media },
    ]);
  });
}

void test("what stands under the key and is not of datasets marks nothing", () => {
  for (const text of [
    undefined,
    "",
    "no JSON",
    "null",
    '{"info":null}',
    '{"info":{"features":7}}',
    '{"info":{"features":{"a":null}}}',
  ]) {
    assert.equal(imageColumns(text).size, 0, text);
  }
  assert.deepEqual([...imageColumns('{"info":{"features":{"a":{"_type":"Image"},"b":{"_type":"Audio"}}}}')], ["a"]);
  assert.equal(imageOr("string"), "string");
});
