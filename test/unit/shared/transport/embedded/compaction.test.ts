import assert from "node:assert/strict";
import { test } from "node:test";

import { openEmbeddedTransport } from "../../../../../shared/transport/embedded/embedded-transport.ts";
import { readEmbeddedLog } from "../../../../../shared/transport/embedded/read-embedded-log.ts";
import { TransportError } from "../../../../../shared/transport/transport.ts";
import type { BlobRef } from "../../../../../shared/transport/transport.ts";
import { appendNext, entriesOf, JOB, logFolder, segmentsOf, textsOf } from "../../../../support/embedded-log.ts";
import { seededRandom } from "../../../../support/seeded-random.ts";

const SEGMENT = 64 * 1024;
const BUDGET = 1024 * 1024;
const LARGEST = SEGMENT / 4;

async function diskBytes(directory: string): Promise<number> {
  return (await segmentsOf(directory)).reduce((bytes, { size }) => bytes + size, 0);
}

void test("under load the files stay within the budget and three segments, and nothing live is lost", async (t) => {
  const directory = await logFolder(t);
  const limits = { directory, segmentBytes: SEGMENT, resultsBudgetBytes: BUDGET };
  let transport = await openEmbeddedTransport({ ...limits, epoch: 1 });
  const random = seededRandom(7);
  const live = new Map<number, { ref: BlobRef; body: Buffer }[]>();
  let shard = 0;
  let most = 0;
  let written = 0;

  const writer = async (): Promise<void> => {
    while (written < 5 * BUDGET) {
      const mine = shard++;
      const blobs: { ref: BlobRef; body: Buffer }[] = [];
      for (let n = 0; n < 3; n++) {
        const body = Buffer.alloc(Math.floor(random() * LARGEST), mine);
        blobs.push({ ref: await putWithRoom(mine, body), body });
        written += body.length;
        await appendNext(transport, mine, `${mine}.${n}`);
        most = Math.max(most, await diskBytes(directory));
      }
      live.set(mine, blobs);
    }
  };
  // Drops any shard but the first ones, which stay from beginning to end, as a straggler's would.
  const dropOne = async (): Promise<void> => {
    const candidates = [...live.keys()].filter((each) => each >= 10);
    const chosen = candidates[Math.floor(random() * candidates.length)];
    if (chosen === undefined) return;
    live.delete(chosen);
    await transport.results.drop(JOB, chosen);
    await transport.log.trim(JOB, chosen);
  };
  const putWithRoom = async (mine: number, body: Buffer): Promise<BlobRef> => {
    for (;;) {
      try {
        return await transport.results.put(JOB, mine, body);
      } catch (error) {
        if (!(error instanceof TransportError) || error.fault !== "full") throw error;
        await dropOne();
      }
    }
  };

  await Promise.all([writer(), writer(), writer(), writer()]);
  // The budget is about blobs; the entries of every shard, and the heads of all records, come on top.
  const besides = shard * 3 * 80;
  assert.ok(most <= BUDGET + besides + 3 * SEGMENT, `${most} bytes, ${besides} of them besides blobs`);
  assert.ok(most > BUDGET, "the load was too small to show anything");
  for (let epoch = 2; epoch < 4; epoch++) {
    for (const blobs of live.values()) {
      for (const { ref, body } of blobs) assert.ok(body.equals((await transport.results.get(ref))!));
    }
    const texts = await textsOf(transport);
    assert.equal(texts.size, shard);
    for (const [each, bodies] of texts) assert.equal(bodies.at(-1), `${each}.2`);
    await transport.close();
    transport = await openEmbeddedTransport({ ...limits, epoch });
  }
  await transport.close();
});

void test("files whose records are all dropped are deleted", async (t) => {
  const directory = await logFolder(t);
  await using transport = await openEmbeddedTransport({ directory, epoch: 1, segmentBytes: SEGMENT });
  for (let shard = 0; shard < 40; shard++) {
    await transport.results.put(JOB, shard, Buffer.alloc(20_000));
    await appendNext(transport, shard, "rows");
  }
  assert.ok((await diskBytes(directory)) > 40 * 20_000);
  await transport.results.dropJob(JOB);
  await transport.log.drop(JOB);
  await transport.close();
  assert.ok((await diskBytes(directory)) < 3 * SEGMENT);
});

void test("who was told that the store is full hears of the space that a drop makes", async (t) => {
  const directory = await logFolder(t);
  await using transport = await openEmbeddedTransport({
    directory,
    epoch: 1,
    resultsBudgetBytes: 1000,
    inputsBudgetBytes: 1000,
  });
  for (const store of ["inputs", "results"] as const) {
    await transport[store].put(JOB, 0, Buffer.alloc(900));
    await assert.rejects(transport[store].put(JOB, 1, Buffer.alloc(200)), { fault: "full" });
    const space = new Promise((resolve) => {
      const stop = transport.onSpace((which) => {
        stop();
        resolve(which);
      });
    });
    await transport[store].drop(JOB, 0);
    assert.equal(await space, store);
    await transport[store].put(JOB, 1, Buffer.alloc(200));
    assert.deepEqual(await transport[store].usage(), { bytes: 200, budgetBytes: 1000 });
  }
});

void test("looking at a log while its owner writes, moves and deletes sees every shard move forward", async (t) => {
  const directory = await logFolder(t);
  await using transport = await openEmbeddedTransport({ directory, epoch: 1, segmentBytes: 4000 });
  const writer = async (shard: number): Promise<void> => {
    for (let n = 0; n < 150; n++) {
      await appendNext(transport, shard, `${n}`.padStart(300));
      await transport.log.trim(JOB, shard);
    }
  };
  const progress = { isOver: false };
  const writing = Promise.all([writer(0), writer(1), writer(2)]).finally(() => (progress.isOver = true));
  const newest = [-1, -1, -1];
  let looks = 0;
  while (!progress.isOver) {
    for (const { shard, body } of (await readEmbeddedLog(directory)).tails) {
      const n = Number(Buffer.from(body));
      assert.ok(n >= newest[shard]!, `shard ${shard} went from ${newest[shard]} back to ${n}`);
      newest[shard] = n;
    }
    looks++;
  }
  await writing;
  assert.ok(looks > 3);
  const { tails } = await readEmbeddedLog(directory);
  assert.deepEqual(
    tails.map(({ position }) => position).toSorted(),
    (await entriesOf(transport)).map(({ position }) => position).toSorted(),
  );
});
