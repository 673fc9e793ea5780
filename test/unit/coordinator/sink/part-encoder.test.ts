import assert from "node:assert/strict";
import { readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { PartEncoder } from "../../../../coordinator/sink/part-encoder.ts";
import type { LandingRequest } from "../../../../coordinator/sink/part-file.ts";
import { TidingError, isTidingError } from "../../../../shared/errors.ts";
import type { Column } from "../../../../shared/rows/row-schema.ts";
import { readPart } from "../../../support/read-part.ts";
import { resultBatch, temporaryFolder } from "../../../support/result-rows.ts";

const text: Column = { name: "text", type: "string" };

function encoderFor(context: TestContext): PartEncoder {
  const encoder = new PartEncoder();
  context.after(() => encoder.close());
  return encoder;
}

function requestIn(folder: string, changes: Partial<LandingRequest> = {}): LandingRequest {
  return {
    format: "parquet",
    dataPath: join(folder, "data"),
    failedPath: join(folder, "failed"),
    inputColumns: [text],
    taskColumns: [],
    columns: null,
    metadata: true,
    ...changes,
  };
}

function shard(firstRow: number, rows = 50): Uint8Array {
  return resultBatch(
    [text],
    Array.from({ length: rows }, (_, row) => ({
      values: { text: `row ${firstRow + row}` },
      engine: { row_id: firstRow + row },
    })),
  );
}

void test("several landings share the thread, and their parts are merged there", async (context) => {
  const encoder = encoderFor(context);
  await encoder.warm();
  const landings = ["a", "b", "c"].map((name) => {
    const request = requestIn(temporaryFolder(context), { rowGroupBytes: 5_000 });
    return { request, name, writer: encoder.open(request) };
  });
  for (let step = 0; step < 10; step++) {
    for (const [index, { writer }] of landings.entries())
      await writer.addShard([shard((step * 3 + index) * 50)], [null]);
  }
  const results = await Promise.all(landings.map(({ writer }) => writer.finish()));
  const sources = results.map(({ data }) => ({ path: data!.path, runs: data!.runs }));
  const targets = { folder: temporaryFolder(context), prefix: "merged" };
  const [merged] = await encoder.merge({ format: "parquet", sources, targets, maxBytes: 1e9 });
  assert.deepEqual(merged?.runs, [[0, 1_500, 1]]);
  const rows = await readPart(merged.path, "parquet");
  assert.deepEqual(
    rows.map((row) => row["text"]),
    rows.map((_, index) => `row ${index}`),
  );
});

void test("a batch moves into the thread, and a batch that shares its buffer is copied", async (context) => {
  const writer = encoderFor(context).open(requestIn(temporaryFolder(context)));
  const own = shard(0);
  const shared = Buffer.concat([shard(50), Buffer.alloc(8)]).subarray(0, -8);
  await writer.addShard([own, shared], [null, null]);
  assert.equal(own.length, 0);
  assert.notEqual(shared.length, 0);
  assert.equal((await writer.finish()).data?.rows, 100);
});

void test("no more than two shards wait for the thread", async (context) => {
  const encoder = encoderFor(context);
  const writer = encoder.open(requestIn(temporaryFolder(context)));
  await writer.addShard([shard(0)], [null]);
  await writer.addShard([shard(50)], [null]);
  let isTaken = false;
  const third = writer.addShard([shard(100)], [null]).then(() => (isTaken = true));
  await Promise.resolve();
  assert.equal(isTaken, false);
  await third;
  assert.equal((await writer.finish()).data?.rows, 150);
});

void test("an error keeps its code, place and mend on its way out of the thread, and no file is left", async (context) => {
  const folder = temporaryFolder(context);
  const writer = encoderFor(context).open(requestIn(folder, { rowGroupBytes: 1 }));
  await writer.addShard([shard(50)], [null]);
  await writer.addShard([shard(0)], [null]);
  const isInternal = (error: unknown): boolean =>
    error instanceof TidingError && error.code === "INTERNAL" && error.message.includes("after row 99");
  await assert.rejects(writer.finish(), isInternal);
  await assert.rejects(writer.addShard([shard(100)], [null]), isInternal);
  await writer.abort();
  assert.deepEqual(readdirSync(folder), []);
});

void test("a full disk is said to be one, with the file", async (context) => {
  const folder = temporaryFolder(context);
  const request = requestIn(folder);
  symlinkSync("/dev/full", request.dataPath);
  const writer = encoderFor(context).open(request);
  await writer.addShard([shard(0)], [null]);
  await assert.rejects(
    writer.finish(),
    (error) =>
      isTidingError(error) &&
      error.code === "DISK_FULL" &&
      error.class === "engine" &&
      error.place === request.dataPath &&
      error.mend !== undefined,
  );
  assert.deepEqual(readdirSync(folder), []);
});

void test("an aborted landing leaves no file, and may be aborted again", async (context) => {
  const folder = temporaryFolder(context);
  const encoder = encoderFor(context);
  const writer = encoder.open(requestIn(folder, { rowGroupBytes: 1 }));
  await writer.addShard([shard(0)], [null]);
  await writer.abort();
  await writer.abort();
  assert.deepEqual(readdirSync(folder), []);
  await encoder.open(requestIn(folder)).abort();
});

void test("closing aborts what is open, and what is asked for afterwards is refused", async (context) => {
  const folder = temporaryFolder(context);
  const encoder = new PartEncoder();
  const writer = encoder.open(requestIn(folder, { rowGroupBytes: 1 }));
  await writer.addShard([shard(0)], [null]);
  await encoder.close();
  assert.deepEqual(readdirSync(folder), []);
  await assert.rejects(encoder.warm(), (error) => isTidingError(error) && error.code === "INTERNAL");
});
