import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import type { Claim } from "../../../shared/transport/transport.ts";
import { bytes, claim, claimAll, isFault, JOB, surely, text } from "./harness.ts";
import type { TransportHarness } from "./harness.ts";

export function tasksContract(name: string, harness: TransportHarness): void {
  const strict = harness.duplicates !== true;
  /** What came must be just this; with duplicates, this at least. */
  const assertCame = (came: readonly string[], expected: readonly string[]): void => {
    assert.deepEqual((strict ? [...came] : [...new Set(came)]).toSorted(), expected.toSorted());
  };

  void test(`${name}: a claim of an empty queue gives null`, async () => {
    await using transport = await harness.open();
    assert.equal(await transport.tasks.claim(JOB, { waitMs: 0 }), null);
    assert.equal(await transport.tasks.claim(JOB, { waitMs: 20 }), null);
  });

  void test(`${name}: a task is claimed with its shard and a copy of its body`, async () => {
    await using transport = await harness.open();
    const body = bytes("rows 0 to 9");
    await surely(() => transport.tasks.put(JOB, 7, body));
    body.fill(0);
    const claimed = await claim(transport);
    assert.equal(claimed.shard, 7);
    assert.equal(text(claimed.body), "rows 0 to 9");
  });

  void test(`${name}: a claim waits for a task that is put later`, async () => {
    await using transport = await harness.open();
    const waiting = claim(transport);
    await surely(() => transport.tasks.put(JOB, 1, bytes("late")));
    assert.equal((await waiting).shard, 1);
  });

  void test(`${name}: a task that is done does not come again`, async () => {
    await using transport = await harness.open({ leaseMs: 300 });
    await surely(() => transport.tasks.put(JOB, 1, bytes("once")));
    const claimed = await claim(transport);
    await claimed.done();
    await claimed.done();
    assertCame(["1:once", ...(await claimAll(transport))], ["1:once"]);
    assert.equal(strict && (await transport.tasks.claim(JOB, { waitMs: 500 })) !== null, false);
  });

  void test(`${name}: no two claimers get one task while its lease is alive`, async () => {
    await using transport = await harness.open();
    const shards = Array.from({ length: 40 }, (_, shard) => shard);
    await Promise.all(shards.map((shard) => surely(() => transport.tasks.put(JOB, shard, bytes("x")))));
    const claims: Claim[] = [];
    const claimer = async (): Promise<void> => {
      for (let next; (next = await transport.tasks.claim(JOB, { waitMs: 100 })) !== null;) claims.push(next);
    };
    await Promise.all([claimer(), claimer(), claimer()]);
    assertCame(
      claims.map((each) => `${each.shard}`),
      shards.map(String),
    );
  });

  void test(`${name}: a task comes again when its lease ran out without a beat`, async () => {
    await using transport = await harness.open({ leaseMs: 200 });
    await surely(() => transport.tasks.put(JOB, 3, bytes("again")));
    await claim(transport);
    assert.equal(text((await claim(transport)).body), "again");
  });

  void test(`${name}: beats keep a task from coming again`, async () => {
    await using transport = await harness.open({ leaseMs: 1000 });
    await surely(() => transport.tasks.put(JOB, 3, bytes("mine")));
    const claims = [await claim(transport)];
    // Duplicates of the task, where there are any, are held as well.
    for (let more; (more = await transport.tasks.claim(JOB, { waitMs: 0 })) !== null;) claims.push(more);
    const other = transport.tasks.claim(JOB, { waitMs: 1500 });
    for (let beat = 0; beat < 15; beat++) {
      await Promise.all(claims.map((each) => each.beat()));
      await pause(100);
    }
    assert.equal(await other, null);
  });

  void test(`${name}: what a claimer does after its lease was lost does no harm`, async () => {
    await using transport = await harness.open({ leaseMs: 200 });
    await surely(() => transport.tasks.put(JOB, 3, bytes("work")));
    const late = await claim(transport);
    const owner = await claim(transport);
    await late.beat();
    await late.done();
    await owner.beat();
    await owner.done();
    assertCame(["3:work", ...(await claimAll(transport))], ["3:work"]);
  });

  void test(`${name}: a late done does not take a newer task of its shard along`, async () => {
    await using transport = await harness.open();
    await surely(() => transport.tasks.put(JOB, 3, bytes("old")));
    const old = await claim(transport);
    await surely(() => transport.tasks.put(JOB, 3, bytes("new")));
    await old.done();
    assert.ok((await claimAll(transport)).includes("3:new"));
  });

  void test(`${name}: a task given back comes again at once, or after its delay`, async () => {
    await using transport = await harness.open();
    await surely(() => transport.tasks.put(JOB, 3, bytes("back")));
    await (await claim(transport)).retry(0);
    const again = await claim(transport);
    assert.equal(again.shard, 3);
    await again.retry(400);
    const early = await transport.tasks.claim(JOB, { waitMs: 20 });
    assert.equal(strict && early !== null, false);
    assert.equal((await claim(transport)).shard, 3);
  });

  void test(`${name}: replace drops the tasks of its shard, claimed or not, and no other`, async () => {
    await using transport = await harness.open({ leaseMs: 300 });
    await surely(() => transport.tasks.put(JOB, 1, bytes("claimed")));
    await claim(transport);
    await surely(() => transport.tasks.put(JOB, 1, bytes("waiting")));
    await surely(() => transport.tasks.put(JOB, 2, bytes("other")));
    await transport.tasks.replace(JOB, 1, bytes("new"));
    // Past the lease of the claimed one, which must not come back.
    const came = [...(await claimAll(transport)), ...(await claimAll(transport))];
    const rest = await transport.tasks.claim(JOB, { waitMs: 500 });
    assert.equal(strict && rest !== null, false);
    assertCame(came, ["1:new", "2:other"]);
  });

  void test(`${name}: a shard is pending while a task of it waits or is leased`, async () => {
    await using transport = await harness.open();
    assert.equal(await transport.tasks.isPending(JOB, 5), false);
    await surely(() => transport.tasks.put(JOB, 5, bytes("x")));
    assert.equal(await transport.tasks.isPending(JOB, 5), true);
    const claimed = await claim(transport);
    assert.equal(await transport.tasks.isPending(JOB, 5), true);
    await claimed.done();
    await claimAll(transport);
    assert.equal(await transport.tasks.isPending(JOB, 5), false);
  });

  void test(`${name}: dropping a job leaves no task of it, and those of others`, async () => {
    await using transport = await harness.open();
    for (const job of [JOB, "other"]) {
      await surely(() => transport.tasks.put(job, 1, bytes("x")));
      await surely(() => transport.tasks.put(job, 2, bytes("x")));
    }
    await claim(transport);
    await transport.tasks.drop(JOB);
    assert.deepEqual(await claimAll(transport), []);
    assert.equal(await transport.tasks.isPending(JOB, 1), false);
    assertCame(await claimAll(transport, "other"), ["1:x", "2:x"]);
  });

  void test(`${name}: counts tell about the tasks that wait and that are claimed`, async () => {
    await using transport = await harness.open();
    await surely(() => transport.tasks.put(JOB, 1, bytes("x")));
    await surely(() => transport.tasks.put(JOB, 2, bytes("x")));
    await claim(transport);
    const { ready, inFlight } = await transport.tasks.counts(JOB);
    assert.ok(
      ready >= 1 && inFlight >= 1 && (!strict || ready + inFlight === 2),
      `${ready} ready, ${inFlight} in flight`,
    );
  });

  void test(`${name}: an aborted claim gives null and takes nothing`, async () => {
    await using transport = await harness.open();
    const abort = new AbortController();
    const waiting = transport.tasks.claim(JOB, { waitMs: 60_000, signal: abort.signal });
    abort.abort();
    assert.equal(await waiting, null);
    await surely(() => transport.tasks.put(JOB, 1, bytes("kept")));
    assert.equal(await transport.tasks.claim(JOB, { waitMs: 100, signal: abort.signal }), null);
    assert.equal((await claim(transport)).shard, 1);
  });

  void test(`${name}: many claims wait at once, and each task wakes one`, async () => {
    await using transport = await harness.open();
    const abort = new AbortController();
    const waiting = Array.from({ length: 40 }, () =>
      transport.tasks.claim(JOB, { waitMs: 60_000, signal: abort.signal }),
    );
    for (let shard = 0; shard < 10; shard++) await surely(() => transport.tasks.put(JOB, shard, bytes("x")));
    const first = await Promise.race(waiting);
    assert.ok(first !== null);
    while ((await transport.tasks.counts(JOB)).ready > 0) await pause(5);
    abort.abort();
    const claims = (await Promise.all(waiting)).filter((each) => each !== null);
    assertCame(
      claims.map(({ shard }) => String(shard)),
      Array.from({ length: 10 }, (_, shard) => String(shard)),
    );
  });

  void test(`${name}: a task body over the limit is refused`, async () => {
    await using transport = await harness.open();
    const body = new Uint8Array(transport.capabilities.maxBodyBytes + 1);
    await assert.rejects(() => surely(() => transport.tasks.put(JOB, 1, body)), isFault("too-large"));
  });
}
