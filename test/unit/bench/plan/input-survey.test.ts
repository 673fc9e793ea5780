import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { readDrawn, surveyInput, type InputSurvey } from "../../../../bench/plan/input-survey.ts";
import { seededRandom } from "../../../../bench/plan/seeded-random.ts";
import { openRowSource } from "../../../../coordinator/input/open-row-source.ts";
import type { RowSource } from "../../../../coordinator/input/row-source.ts";
import { InputSpec } from "../../../../shared/spec/job-spec.ts";

const signal = new AbortController().signal;

async function folderOf(context: TestContext, files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-survey-"));
  context.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content);
  return folder;
}

async function survey(
  folder: string,
  input: object,
  readThrough?: { readonly bytes: number; readonly rows: number },
): Promise<InputSurvey & { readonly source: RowSource }> {
  const spec = InputSpec.parse(input);
  const source = await openRowSource(spec, { folder });
  const textsOf = ({ text }: Readonly<Record<string, unknown>>): number => (typeof text === "string" ? text.length : 0);
  const surveyed = await surveyInput(source, {
    input: spec,
    textsOf,
    random: seededRandom(1),
    signal,
    onNotice: () => undefined,
    ...(readThrough === undefined ? {} : { readThrough }),
  });
  return { ...surveyed, source };
}

function lines(count: number, textOf: (row: number) => string): string {
  return Array.from({ length: count }, (_, row) => `${JSON.stringify({ row, text: textOf(row) })}\n`).join("");
}

/** As if the input were large. */
const NOTHING = { bytes: 0, rows: 0 };

void test("a small input is read through: its rows are counted, and those that cannot be read apart", async (context) => {
  const folder = await folderOf(context, { "rows.jsonl": `${lines(90, (row) => "x".repeat(row))}no json\n`.repeat(1) });
  const { rows, rowsError, counted, faultShare, drawn } = await survey(folder, { path: "rows.jsonl" });
  assert.deepEqual([rows, rowsError, counted], [91, 0, "read"]);
  assert.equal(faultShare, 1 / 91);
  assert.deepEqual(
    drawn.map(({ rowId }) => rowId),
    Array.from({ length: 90 }, (_, row) => row),
  );
  assert.deepEqual(
    drawn.map(({ textBytes }) => textBytes),
    Array.from({ length: 90 }, (_, row) => row),
  );
});

void test("rows before the offset and behind the limit are not the job's", async (context) => {
  const folder = await folderOf(context, { "rows.jsonl": lines(100, String) });
  const { rows, drawn } = await survey(folder, { path: "rows.jsonl", offset: 10, limit: 20 });
  assert.equal(rows, 20);
  assert.deepEqual(
    drawn.map(({ rowId }) => rowId),
    Array.from({ length: 20 }, (_, row) => 10 + row),
  );
  assert.equal((await survey(folder, { path: "rows.jsonl", offset: 90, limit: 20 })).rows, 10);
  assert.equal((await survey(folder, { path: "rows.jsonl", offset: 200 })).rows, 0);
});

void test("of many rows the same chance keeps each, whatever its place", async (context) => {
  const folder = await folderOf(context, { "rows.jsonl": lines(20_000, String) });
  const { drawn } = await survey(folder, { path: "rows.jsonl" });
  assert.equal(drawn.length, 2_048);
  const mean = drawn.reduce((sum, { rowId }) => sum + rowId, 0) / drawn.length;
  // The standard error of a mean of 2,048 of them is 128.
  assert.ok(Math.abs(mean - 10_000) < 4 * 128, String(mean));
});

void test("generated rows are the spec's, and nothing is read", async (context) => {
  const folder = await folderOf(context, {});
  const { rows, counted, drawn, source } = await survey(folder, {
    generate: { rows: 100_000_000 },
    limit: 100_000_000,
  });
  assert.deepEqual([rows, counted], [100_000_000, "spec"]);
  assert.equal(drawn.length, 32);
  assert.ok(drawn.some(({ rowId }) => rowId > 50_000_000));
  assert.deepEqual((await readDrawn(source, drawn.slice(0, 1), signal)).get(drawn[0]!.rowId), {});
});

void test("a large Parquet file is known by what it says, and read in places", async (context) => {
  const count = 40_000;
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: "row", data: Int32Array.from({ length: count }, (_, row) => row) },
      { name: "text", data: Array.from({ length: count }, (_, row) => "y".repeat(row % 7)) },
    ],
    rowGroupSize: 3_000,
  });
  const folder = await folderOf(context, { "rows.parquet": new Uint8Array(buffer) });
  const input = { path: "rows.parquet", offset: 10_000, limit: 25_000 };
  const { rows, counted, drawn, source } = await survey(folder, input, NOTHING);
  assert.deepEqual([rows, counted], [25_000, "files"]);
  const ids = drawn.map(({ rowId }) => rowId);
  assert.ok(Math.min(...ids) >= 10_000 && Math.max(...ids) < 35_000);
  assert.ok(Math.max(...ids) - Math.min(...ids) > 22_000, "over the whole of it");
  const some = [drawn[0]!, drawn[700]!, drawn.at(-1)!];
  const found = await readDrawn(source, some, signal);
  for (const { rowId, textBytes } of some) {
    assert.equal(found.get(rowId)?.["row"], rowId);
    assert.equal(textBytes, rowId % 7);
  }
});

void test("a large file of lines is not read through: its rows are estimated, to the error that is told", async (context) => {
  // Short rows first, long ones after: of the places, which lie evenly among the bytes, more are among the long ones.
  const content = lines(60_000, () => "s".repeat(100)) + lines(20_000, () => "l".repeat(1_000));
  const folder = await folderOf(context, { "rows.jsonl": content });
  const { rows, rowsError, counted, drawn, source } = await survey(folder, { path: "rows.jsonl" }, NOTHING);
  assert.equal(counted, "estimated");
  assert.ok(rowsError > 0 && rowsError < 0.3, String(rowsError));
  assert.ok(Math.abs(rows / 80_000 - 1) < 4 * rowsError, `${rows} rows, ± ${rowsError}`);
  const short = drawn.filter(({ textBytes }) => textBytes === 100).length;
  assert.equal(short + drawn.filter(({ textBytes }) => textBytes === 1_000).length, drawn.length, "no half rows");
  assert.ok(Math.abs(short / drawn.length - 0.75) < 0.2, `${short} of ${drawn.length}`);
  const [first] = drawn;
  const text = (await readDrawn(source, [first!], signal)).get(first!.rowId)?.["text"];
  assert.equal((text as string).length, first!.textBytes);
});

void test("a limit far within a large file is no estimate", async (context) => {
  const folder = await folderOf(context, { "rows.jsonl": lines(40_000, () => "s".repeat(180)) });
  const { rows, rowsError, counted, drawn } = await survey(folder, { path: "rows.jsonl", limit: 6_000 }, NOTHING);
  assert.deepEqual([rows, rowsError, counted], [6_000, 0, "spec"]);
  assert.ok(Math.max(...drawn.map(({ rowId }) => rowId)) < 6_600);
});

void test("what can only be read from its start is read through, and its rows are found again", async (context) => {
  const folder = await folderOf(context, { "rows.jsonl.gz": gzipSync(lines(3_000, (row) => "x".repeat(row % 50))) });
  const { rows, counted, drawn, source } = await survey(folder, { path: "rows.jsonl.gz" });
  assert.deepEqual([rows, counted], [3_000, "read"]);
  const some = [drawn[5]!, drawn[2_000]!];
  const found = await readDrawn(source, some, signal);
  for (const { rowId } of some) assert.equal(found.get(rowId)?.["row"], rowId);
});

void test("a survey that is stopped ends", async (context) => {
  const folder = await folderOf(context, { "rows.jsonl": lines(3_000, String) });
  const spec = InputSpec.parse({ path: "rows.jsonl" });
  const source = await openRowSource(spec, { folder });
  const asked = { input: spec, textsOf: () => 0, random: Math.random, onNotice: () => undefined };
  await assert.rejects(surveyInput(source, { ...asked, signal: AbortSignal.abort(new Error("enough")) }), /enough/);
});
