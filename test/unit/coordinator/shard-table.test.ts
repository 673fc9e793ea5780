import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { ShardTable } from "../../../coordinator/shard-table.ts";
import { isTidingError } from "../../../shared/errors.ts";

void test("a sleeper that wakes leaves its successor's table alone", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-table-"));
  t.after(() => rm(folder, { recursive: true }));
  const entry = { shard: 0, firstRow: 0, rows: 4, offset: { file: 0, at: 0, skip: 0 }, digest: "d" };
  {
    await using successor = await ShardTable.open(folder, 2);
    await successor.append(entry);
    await assert.rejects(
      ShardTable.open(folder, 1),
      (error) => isTidingError(error) && error.code === "OWNERSHIP_LOST",
    );
    await successor.append({ ...entry, shard: 1, firstRow: 4 });
  }
  assert.deepEqual(await readdir(folder), ["shards.2.jsonl"]);
  await using next = await ShardTable.open(folder, 3);
  assert.equal(next.length, 2);
});
