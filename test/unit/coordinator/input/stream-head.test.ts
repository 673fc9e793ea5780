import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { streamHead } from "../../../../coordinator/input/stream-head.ts";

/** What is taken of a text that comes in pieces of so many bytes. */
async function headOf(
  content: string | Buffer,
  options: { readonly format: "jsonl" | "csv" | "parquet"; readonly rows: number; readonly pieceBytes?: number },
): Promise<Buffer> {
  const { pieceBytes = 7, ...rest } = options;
  const bytes = Buffer.from(content);
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
  const taken: Buffer[] = [];
  for await (const chunk of streamHead(pieces(), rest)) taken.push(chunk);
  return Buffer.concat(taken);
}

void test("CSV is cut behind the rows that are wanted and their header, however quoted fields hold line ends", async () => {
  const record = fc.array(fc.stringMatching(/^[a"\n,é ]{0,6}$/), { minLength: 2, maxLength: 2 });
  const rows = fc.integer({ min: 0, max: 5 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { minLength: 7, maxLength: 7 }),
      rows,
      fc.integer({ min: 1, max: 40 }),
      async (records, wanted, pieceBytes) => {
        const lines = records.map(
          (fields) => `${fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(",")}\n`,
        );
        const text = `"first","second"\n${lines.join("")}`;
        const head = await headOf(text, { format: "csv", rows: wanted, pieceBytes });
        assert.equal(head.toString(), `"first","second"\n${lines.slice(0, wanted).join("")}`);
      },
    ),
  );
});

void test("JSON Lines are cut behind the rows that types are inferred from, or those that are wanted; blank lines are none", async () => {
  const line = '{"quote":"\\""}\n';
  const text = `${line}\n   \r\n`.repeat(3_000);
  const rowsIn = (head: Buffer): number => head.toString().split(line).length - 1;
  assert.equal(rowsIn(await headOf(text, { format: "jsonl", rows: 3, pieceBytes: 1_000 })), 1_000);
  assert.equal(rowsIn(await headOf(text, { format: "jsonl", rows: 1_500, pieceBytes: 1_000 })), 1_500);
  const long = `{"text":"${"x".repeat(900_000)}"}\n`;
  assert.equal(
    (await headOf(long.repeat(9), { format: "jsonl", rows: 3, pieceBytes: 65_536 })).length,
    5 * long.length,
  );
});

void test("what is short, compressed or of rows that do not show is taken whole", async () => {
  const text = '{"a":1}\n'.repeat(3_000);
  assert.equal((await headOf('{"a":1}', { format: "jsonl", rows: 3 })).toString(), '{"a":1}');
  assert.equal((await headOf("", { format: "csv", rows: 3 })).length, 0);
  for (const pieceBytes of [1, 65_536]) {
    const packed = gzipSync(text);
    assert.deepEqual(await headOf(packed, { format: "jsonl", rows: 1, pieceBytes }), packed);
  }
  assert.equal((await headOf(text, { format: "parquet", rows: 1 })).toString(), text);
});
