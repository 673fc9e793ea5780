import assert from "node:assert/strict";
import { test } from "node:test";

import type { BlobRef } from "../../../shared/transport/transport.ts";
import { bytes, isFault, JOB, surely, text } from "./harness.ts";
import type { TransportHarness } from "./harness.ts";

export function blobsContract(name: string, harness: TransportHarness, store: "inputs" | "results"): void {
  const title = `${name} ${store}`;

  void test(`${title}: a blob is got back as it was, each time as a copy`, async () => {
    await using transport = await harness.open();
    const blobs = transport[store];
    const body = bytes("forty rows");
    const ref = await surely(() => blobs.put(JOB, 1, body));
    body.fill(0);
    (await blobs.get(ref))!.fill(0);
    assert.equal(text(await blobs.get(ref)), "forty rows");
    const empty = await surely(() => blobs.put(JOB, 1, new Uint8Array()));
    assert.equal(text(await blobs.get(empty)), "");
  });

  void test(`${title}: a ref that was never given is null`, async () => {
    await using transport = await harness.open();
    assert.equal(await transport[store].get("nothing" as BlobRef), null);
  });

  void test(`${title}: dropping a shard drops its blobs alone`, async () => {
    await using transport = await harness.open();
    const blobs = transport[store];
    const dropped = [
      await surely(() => blobs.put(JOB, 1, bytes("a"))),
      await surely(() => blobs.put(JOB, 1, bytes("b"))),
    ];
    const kept = [
      await surely(() => blobs.put(JOB, 2, bytes("c"))),
      await surely(() => blobs.put("other", 1, bytes("d"))),
    ];
    await blobs.drop(JOB, 1);
    await blobs.drop(JOB, 3);
    for (const ref of dropped) assert.equal(await blobs.get(ref), null);
    assert.deepEqual(await Promise.all(kept.map(async (ref) => text(await blobs.get(ref)))), ["c", "d"]);
    const later = await surely(() => blobs.put(JOB, 1, bytes("e")));
    assert.equal(text(await blobs.get(later)), "e");
  });

  void test(`${title}: dropping a group drops the blobs of its shards alone`, async () => {
    await using transport = await harness.open();
    const blobs = transport[store];
    const put = async (job: string, shard: number): Promise<BlobRef> =>
      await surely(() => blobs.put(job, shard, bytes(`${job} ${shard}`)));
    const dropped = [await put(JOB, 64), await put(JOB, 65), await put(JOB, 127), await put(JOB, 64)];
    const kept = [await put(JOB, 1), await put(JOB, 63), await put(JOB, 128), await put("other", 64)];
    await blobs.dropGroup(JOB, 1);
    await blobs.dropGroup(JOB, 3);
    for (const ref of dropped) assert.equal(await blobs.get(ref), null);
    assert.deepEqual(await Promise.all(kept.map(async (ref) => text(await blobs.get(ref)))), [
      `${JOB} 1`,
      `${JOB} 63`,
      `${JOB} 128`,
      "other 64",
    ]);
  });

  void test(`${title}: a drop up to a blob leaves those after it`, async () => {
    await using transport = await harness.open();
    const blobs = transport[store];
    const refs: BlobRef[] = [];
    for (const body of ["a", "b", "c"]) refs.push(await surely(() => blobs.put(JOB, 1, bytes(body))));
    await blobs.drop(JOB, 1, refs[1]);
    assert.deepEqual(await Promise.all(refs.map(async (ref) => text(await blobs.get(ref)))), [null, null, "c"]);
  });

  void test(`${title}: dropping a job drops its blobs alone`, async () => {
    await using transport = await harness.open();
    const blobs = transport[store];
    const mine = [await surely(() => blobs.put(JOB, 1, bytes("a"))), await surely(() => blobs.put(JOB, 2, bytes("b")))];
    const other = await surely(() => blobs.put("other", 1, bytes("c")));
    await blobs.dropJob(JOB);
    for (const ref of mine) assert.equal(await blobs.get(ref), null);
    assert.equal(text(await blobs.get(other)), "c");
  });

  void test(`${title}: a full store refuses, keeps what it has, and takes again after a drop`, async () => {
    const budget = 1024 * 1024;
    await using transport = await harness.open({ inputsBudgetBytes: budget, resultsBudgetBytes: budget });
    const blobs = transport[store];
    const body = new Uint8Array(100_000).fill(7);
    const refs: BlobRef[] = [];
    await assert.rejects(async () => {
      for (let shard = 0; shard < 100; shard++) refs.push(await surely(() => blobs.put(JOB, shard, body)));
    }, isFault("full"));
    assert.ok(refs.length > 0);
    const { bytes: used, budgetBytes } = await blobs.usage();
    assert.ok(used >= refs.length * body.length && used <= budgetBytes, `${used} of ${budgetBytes}`);
    for (const ref of refs) assert.deepEqual(await blobs.get(ref), body);

    // A put whose answer was lost took the room that the drop had made.
    const ref = await surely(async () => {
      await blobs.drop(JOB, 0);
      return await blobs.put(JOB, 0, body);
    });
    assert.deepEqual(await blobs.get(ref), body);
    await blobs.dropJob(JOB);
    assert.ok((await blobs.usage()).bytes < body.length);
  });

  void test(`${title}: a body of just the limit is taken, a larger one is refused`, async () => {
    await using transport = await harness.open();
    const limit = transport.capabilities.maxBodyBytes;
    const body = new Uint8Array(limit).fill(3);
    const ref = await surely(() => transport[store].put(JOB, 1, body));
    assert.ok(Buffer.from(body).equals((await transport[store].get(ref))!));
    const tooLarge = surely(() => transport[store].put(JOB, 1, new Uint8Array(limit + 1)));
    await assert.rejects(tooLarge, isFault("too-large"));
  });
}
