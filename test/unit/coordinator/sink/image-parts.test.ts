import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tableFromIPC } from "apache-arrow";
import { asyncBufferFromFile, parquetMetadataAsync } from "hyparquet";
import { featuresText } from "../../../../coordinator/sink/dataset-features.ts";
import { Landing } from "../../../../coordinator/sink/landing.ts";
import { mergeParts } from "../../../../coordinator/sink/merge-parts.ts";
import type { PartFormat } from "../../../../coordinator/sink/part-file.ts";
import type { RowSchema } from "../../../../shared/rows/row-schema.ts";
import { loadZstd } from "../../../../shared/rows/zstd.ts";
import { resultBatch, temporaryFolder } from "../../../support/result-rows.ts";

const zstd = await loadZstd();
const value = (dtype: string): object => ({ dtype, _type: "Value" });

/** As `datasets` 5.2 writes it for these columns. */
const schema: RowSchema = [
  { name: "q", type: "string" },
  { name: "image", type: "image" },
  { name: "imgs", type: { list: "image" } },
  { name: "t", type: "timestamp" },
  { name: "s", type: { struct: { a: "int64", b: { list: "string" } } } },
  { name: "bin", type: "binary" },
  { name: "d", type: "date" },
  { name: "b", type: "bool" },
  { name: "f", type: "float32" },
  { name: "nothing", type: { struct: {} } },
];
const features = {
  q: value("string"),
  image: { _type: "Image" },
  imgs: { feature: { _type: "Image" }, _type: "List" },
  t: value("timestamp[us, tz=UTC]"),
  s: { a: value("int64"), b: { feature: value("string"), _type: "List" } },
  bin: value("binary"),
  d: value("date32"),
  b: value("bool"),
  f: value("float32"),
  nothing: value("string"),
};

void test("a dataset with images says of every column what datasets would; one without says nothing", () => {
  assert.deepEqual(JSON.parse(featuresText(schema) ?? ""), { info: { features } });
  const within = [{ name: "pair", type: { struct: { before: "image" } } }] as const;
  assert.notEqual(featuresText(within), null);
  const without = schema.filter(({ name }) => name !== "image" && name !== "imgs");
  assert.equal(featuresText(without), null);
});

async function metadataOf(path: string, format: PartFormat): Promise<string | undefined> {
  if (format === "arrow") return tableFromIPC(readFileSync(path)).schema.metadata.get("huggingface");
  const { key_value_metadata: pairs = [] } = await parquetMetadataAsync(await asyncBufferFromFile(path));
  return pairs.find(({ key }) => key === "huggingface")?.value;
}

for (const format of ["parquet", "arrow"] as const) {
  void test(`parts that are merged go on to say that they hold images, as ${format}`, async (t) => {
    const folder = temporaryFolder(t);
    const image = { name: "image", type: "image" } as const;
    const sources = [1, 2].map((rowId) => {
      const paths = { dataPath: join(folder, `${rowId}`), failedPath: join(folder, `${rowId}-failed`) };
      const columns = { inputColumns: [], taskColumns: [image], columns: null, metadata: true };
      const landing = new Landing({ format, ...paths, ...columns }, zstd);
      const values = { image: { bytes: new Uint8Array([rowId]), path: null } };
      landing.addShard([resultBatch([image], [{ values, engine: { row_id: rowId, generation: 0 } }])], [null]);
      const { data } = landing.finish();
      assert.ok(data !== null);
      return data;
    });
    const written = await metadataOf(sources[0]!.path, format);
    assert.match(written ?? "", /"image":\{"_type":"Image"\}/);
    const request = { format, sources: sources.map(({ path, runs }) => ({ path, runs })), maxBytes: 1_000_000 };
    const [merged] = await mergeParts({ ...request, targets: { folder, prefix: "merged" } }, zstd);
    assert.equal(merged?.rows, 2);
    assert.equal(await metadataOf(merged.path, format), written);
  });
}
