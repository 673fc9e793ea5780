import assert from "node:assert/strict";
import { appendFile, copyFile, cp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { test } from "node:test";

import { TidingError } from "../../../../../shared/errors.ts";
import { openEmbeddedTransport } from "../../../../../shared/transport/embedded/embedded-transport.ts";
import { encodeFrame, FORMAT_VERSION } from "../../../../../shared/transport/embedded/frame.ts";
import { readEmbeddedLog } from "../../../../../shared/transport/embedded/read-embedded-log.ts";
import type { BlobRef } from "../../../../../shared/transport/transport.ts";
import { appendNext, entriesOf, JOB, logFolder, segmentsOf, textsOf } from "../../../../support/embedded-log.ts";

function isDamageAt(path: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TidingError);
    assert.equal(error.code, "STORE_DAMAGED");
    assert.equal(error.place, path);
    assert.equal(typeof error.details["offset"], "number");
    assert.ok(error.mend!.length > 0);
    return true;
  };
}

void test("a log cut at any byte of its last records opens with the records before the cut", async (t) => {
  const directory = await logFolder(t);
  const whole = await openEmbeddedTransport({ directory, epoch: 1 });
  const sizes: number[] = [];
  for (const body of ["one", "two", "three", "four"]) {
    await appendNext(whole, sizes.length % 2, body);
    sizes.push((await segmentsOf(directory))[0]!.size);
  }
  const copy = await logFolder(t);
  for (let cut = sizes[1]!; cut <= sizes[3]!; cut++) {
    for (const garbage of cut % 3 === 0 ? [Buffer.alloc(40), Buffer.alloc(40, 0xa5)] : [Buffer.alloc(0)]) {
      await cp(directory, copy, { recursive: true });
      const [segment] = await segmentsOf(copy);
      await truncate(segment!.path, cut);
      // Not the bytes that were there: they could complete the record.
      await appendFile(segment!.path, garbage);
      const expected = ["one", "two", "three", "four"].slice(0, sizes.filter((size) => size <= cut).length);
      const peeked = (await readEmbeddedLog(copy)).tails.map(({ body }) => Buffer.from(body).toString());
      assert.deepEqual(peeked.toSorted(), expected.slice(-2).toSorted());

      const opened = await openEmbeddedTransport({ directory: copy, epoch: 2 });
      const bodies = (await entriesOf(opened)).map(({ body }) => Buffer.from(body).toString());
      assert.deepEqual(bodies, expected, `cut at ${cut}`);
      await appendNext(opened, 0, "more");
      await opened.close();
      await rm(copy, { recursive: true });
    }
  }
  await whole.close();
});

void test("a record that changed in a file before the newest is damage, with the file and a mend", async (t) => {
  const directory = await logFolder(t);
  const transport = await openEmbeddedTransport({ directory, epoch: 1, segmentBytes: 2000 });
  for (let n = 0; n < 12; n++) await appendNext(transport, n, Buffer.alloc(400, n));
  await transport.close();
  const segments = await segmentsOf(directory);
  assert.ok(segments.length > 2);

  for (const { path } of segments.slice(0, -1)) {
    const bytes = await readFile(path);
    await writeFile(path, Buffer.concat([bytes.subarray(0, 700), Buffer.from([bytes[700]! ^ 1]), bytes.subarray(701)]));
    await assert.rejects(openEmbeddedTransport({ directory, epoch: 2 }), isDamageAt(path));
    await assert.rejects(readEmbeddedLog(directory), isDamageAt(path));
    await writeFile(path, bytes);
  }

  const [, second, third] = segments;
  await copyFile(second!.path, join(directory, "kept"));
  await rm(second!.path);
  await assert.rejects(openEmbeddedTransport({ directory, epoch: 2 }), isDamageAt(third!.path));
  await copyFile(join(directory, "kept"), second!.path);
  await using opened = await openEmbeddedTransport({ directory, epoch: 2 });
  assert.equal((await entriesOf(opened)).length, 12);
});

void test("a newest file that holds nothing but its head, or not even that, is fine", async (t) => {
  const directory = await logFolder(t);
  const transport = await openEmbeddedTransport({ directory, epoch: 1 });
  await appendNext(transport, 0, "kept");
  await transport.close();
  await writeFile(join(directory, "1-2.wal"), (await readFile(join(directory, "1-1.wal"))).subarray(0, 11));
  await using opened = await openEmbeddedTransport({ directory, epoch: 2 });
  assert.deepEqual([...(await textsOf(opened))], [[0, ["kept"]]]);
});

void test("a copy put back later is noticed: what it lacks is not verified, even when new records took its place", async (t) => {
  const directory = await logFolder(t);
  const backup = await logFolder(t);
  let transport = await openEmbeddedTransport({ directory, epoch: 1 });
  const kept = await appendNext(transport, 0, "kept");
  await cp(directory, backup, { recursive: true });
  const lost = await appendNext(transport, 0, "lost");
  await transport.close();

  await rm(directory, { recursive: true });
  await cp(backup, directory, { recursive: true });
  transport = await openEmbeddedTransport({ directory, epoch: 2 });
  assert.equal(await transport.log.verify(JOB, kept), true);
  assert.equal(await transport.log.verify(JOB, lost), false);
  for (let n = 0; n < 5; n++) await appendNext(transport, 0, "lost");
  await transport.log.trim(JOB, 0);
  assert.equal(await transport.log.verify(JOB, lost), false);
  assert.equal(await transport.log.verify(JOB, kept), true);
  await transport.close();
});

void test("a version is never given twice, even when no record of the last ones is left", async (t) => {
  const directory = await logFolder(t);
  const head = encodeFrame({ type: "segment", key: "", shard: 0, lsn: 500, number: FORMAT_VERSION }, Buffer.alloc(0));
  await writeFile(join(directory, "1-4.wal"), head);
  await writeFile(join(directory, "1.complete"), "");
  await using transport = await openEmbeddedTransport({ directory, epoch: 2 });
  assert.ok((await transport.state.swap("key", Buffer.from("value"), null)) >= 500);
});

void test("a log of a format that is not known is left alone", async (t) => {
  const directory = await logFolder(t);
  const head = encodeFrame({ type: "segment", key: "", shard: 0, lsn: 1, number: FORMAT_VERSION + 1 }, Buffer.alloc(0));
  await writeFile(join(directory, "1-1.wal"), head);
  await writeFile(join(directory, "1.complete"), "");
  await assert.rejects(openEmbeddedTransport({ directory, epoch: 2 }), isDamageAt(join(directory, "1-1.wal")));
  assert.deepEqual(await readFile(join(directory, "1-1.wal")), head);
});

void test("an epoch that is not above every epoch on disk is refused", async (t) => {
  const directory = await logFolder(t);
  await (await openEmbeddedTransport({ directory, epoch: 5 })).close();
  for (const epoch of [4, 5]) {
    await assert.rejects(openEmbeddedTransport({ directory, epoch }), { code: "OWNERSHIP_LOST", place: directory });
  }
  await (await openEmbeddedTransport({ directory, epoch: 6 })).close();
});

void test("an opening that did not get to its end is ignored by the next", async (t) => {
  const directory = await logFolder(t);
  const transport = await openEmbeddedTransport({ directory, epoch: 1 });
  await appendNext(transport, 0, "kept");
  await transport.close();
  await copyFile(join(directory, "1-1.wal"), join(directory, "7-1.wal"));
  await truncate(join(directory, "7-1.wal"), 60);
  assert.equal((await readEmbeddedLog(directory)).tails.length, 1);
  await using opened = await openEmbeddedTransport({ directory, epoch: 8 });
  assert.deepEqual([...(await textsOf(opened))], [[0, ["kept"]]]);
  assert.deepEqual(
    (await segmentsOf(directory)).map(({ path }) => basename(path)),
    ["8-1.wal"],
  );
});

void test("a former owner that wakes does no harm, and learns that it is one", async (t) => {
  const directory = await logFolder(t);
  const sleeper = await openEmbeddedTransport({ directory, epoch: 1, segmentBytes: 2000 });
  const health: string[] = [];
  sleeper.onHealth((now) => health.push(now));
  await appendNext(sleeper, 0, "before");
  const owner = await openEmbeddedTransport({ directory, epoch: 2 });
  await appendNext(owner, 0, "owner");

  await sleeper.results.put(JOB, 0, Buffer.alloc(1900));
  await assert.rejects(appendNext(sleeper, 1, "zombie"), { code: "OWNERSHIP_LOST" });
  await assert.rejects(appendNext(sleeper, 1, "zombie"), { code: "OWNERSHIP_LOST" });
  assert.deepEqual(health, ["down"]);
  await sleeper.close();
  await owner.close();

  // Files that it may have made all the same: a lower epoch counts no more.
  await copyFile(join(directory, "2-1.wal"), join(directory, "1-9.wal"));
  await using next = await openEmbeddedTransport({ directory, epoch: 3 });
  assert.deepEqual([...(await textsOf(next))], [[0, ["before", "owner"]]]);
});

void test("a blob that changed on disk is never given", async (t) => {
  const directory = await logFolder(t);
  const transport = await openEmbeddedTransport({ directory, epoch: 1 });
  const ref = await transport.results.put(JOB, 0, Buffer.alloc(5000, 1));
  await appendNext(transport, 0, "names it");
  const [segment] = await segmentsOf(directory);
  const bytes = await readFile(segment!.path);
  bytes[3000]! ^= 1;
  await writeFile(segment!.path, bytes);
  await assert.rejects(transport.results.get(ref), isDamageAt(segment!.path));
  assert.equal(await transport.results.get(`${ref}0` as BlobRef), null);
  await transport.close();
});

void test("looking at a folder without a log finds nothing", async (t) => {
  const directory = await logFolder(t);
  assert.deepEqual(await readEmbeddedLog(directory), { tails: [] });
  assert.deepEqual(await readEmbeddedLog(join(directory, "none")), { tails: [] });
});
