import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { BodySpool, readBodies } from "../../../../bench/job/body-spool.ts";

void test("bodies come back whole and in order, small ones and ones longer than what is read at a time", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-spool-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = path.join(folder, "bodies");
  const lengths = [3, 1_000, 3_000_000, 5, 1_048_576, 1_048_572, 700, 0, 42];
  const bodies = lengths.map((length, index) => Buffer.alloc(length, index + 1));
  {
    using spool = new BodySpool(file);
    for (const body of bodies) spool.add(body);
  }
  let index = 0;
  for await (const body of readBodies(file)) assert.ok(body.equals(bodies[index++]!), `body ${index}`);
  assert.equal(index, bodies.length);
});
