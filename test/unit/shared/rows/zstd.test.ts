import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { decompress } from "fzstd";
import { loadZstd } from "../../../../shared/rows/zstd.ts";

void test("what is compressed comes back, here and in another implementation", async () => {
  const zstd = await loadZstd();
  for (const bytes of [new Uint8Array(), Buffer.from("a magpie, ".repeat(300_000)), randomBytes(100_000)]) {
    const compressed = zstd.compress(bytes);
    assert.ok(Buffer.from(zstd.decompress(compressed, bytes.length)).equals(bytes));
    assert.ok(Buffer.from(decompress(compressed)).equals(bytes));
  }
});
