import assert from "node:assert/strict";
import { test } from "node:test";

import type { LogEntry, Position, TransportError } from "../../../shared/transport/transport.ts";
import { append, bytes, isFault, JOB, readSome, surely, text } from "./harness.ts";
import type { TransportHarness } from "./harness.ts";

export function logContract(name: string, harness: TransportHarness): void {
  void test(`${name}: the tail of a shard is its newest entry, or null`, async () => {
    await using transport = await harness.open();
    assert.equal(await transport.log.tail(JOB, 0), null);
    const first = await append(transport, 0, { after: null, body: "open" });
    const second = await append(transport, 0, { after: first, body: "rows" });
    const tail = (await transport.log.tail(JOB, 0))!;
    assert.deepEqual({ ...tail, body: text(tail.body) }, { job: JOB, shard: 0, position: second, body: "rows" });
    assert.equal(await transport.log.tail(JOB, 1), null);
    assert.equal(await transport.log.tail("other", 0), null);
  });

  void test(`${name}: an append after anything but the tail conflicts, and is told the tail`, async () => {
    await using transport = await harness.open();
    const first = await append(transport, 4, { after: null, body: "1" });
    const second = await append(transport, 4, { after: first, body: "2" });
    for (const after of [null, first]) {
      await assert.rejects(append(transport, 4, { after, body: "3" }), (error: TransportError) => {
        assert.equal(error.fault, "conflict");
        assert.equal(error.tail?.position, second);
        assert.equal(text(error.tail.body), "2");
        return true;
      });
    }
  });

  void test(`${name}: an append after an entry of an empty shard conflicts with nothing`, async () => {
    await using transport = await harness.open();
    const elsewhere = await append(transport, 1, { after: null, body: "1" });
    await assert.rejects(append(transport, 2, { after: elsewhere, body: "2" }), (error: TransportError) => {
      return error.fault === "conflict" && error.tail === null;
    });
  });

  void test(`${name}: of appends that race for one place, one wins`, async () => {
    await using transport = await harness.open();
    let after: Position | null = null;
    for (let round = 0; round < 20; round++) {
      const racers = ["a", "b", "c"].map((racer) => append(transport, 0, { after, body: `${round}${racer}` }));
      const outcomes = await Promise.allSettled(racers);
      const won = outcomes.filter((outcome) => outcome.status === "fulfilled");
      assert.equal(won.length, 1);
      for (const outcome of outcomes) assert.ok(outcome.status === "fulfilled" || isFault("conflict")(outcome.reason));
      after = won[0]!.value;
      assert.equal((await transport.log.tail(JOB, 0))?.position, after);
    }
  });

  void test(`${name}: an append that is repeated finds itself as the tail`, async () => {
    await using transport = await harness.open();
    const position = await append(transport, 0, { after: null, body: "nonce 17" });
    const again = surely(() => transport.log.append(JOB, 0, null, bytes("nonce 17")));
    await assert.rejects(again, (error: TransportError) => error.tail?.position === position);
  });

  void test(`${name}: all readers get one order, in which every shard's entries follow each other`, async () => {
    await using transport = await harness.open();
    const writers = [0, 1, 2, 3].map(async (shard) => {
      let after: Position | null = null;
      for (let n = 0; n < 25; n++) after = await append(transport, shard, { after, body: `${shard}.${n}` });
    });
    const live = readSome(transport, 100);
    await Promise.all(writers);
    const afterwards = (await readSome(transport, 100)).map((entry) => text(entry.body));
    assert.deepEqual(
      (await live).map((entry) => text(entry.body)),
      afterwards,
    );
    for (const shard of [0, 1, 2, 3]) {
      const own = afterwards.filter((body) => body!.startsWith(`${shard}.`));
      assert.deepEqual(
        own,
        Array.from({ length: 25 }, (_, n) => `${shard}.${n}`),
      );
    }
  });

  void test(`${name}: a reader waits for new entries until it is aborted`, async () => {
    await using transport = await harness.open();
    const abort = new AbortController();
    const reading = transport.log.read(JOB, null, abort.signal)[Symbol.asyncIterator]();
    const next = reading.next();
    const position = await append(transport, 0, { after: null, body: "new" });
    const { value } = (await next) as { value: LogEntry };
    assert.equal(value.position, position);
    const none = reading.next();
    abort.abort();
    assert.equal((await none).done, true);
  });

  void test(`${name}: a reader resumes behind its position`, async () => {
    await using transport = await harness.open();
    const bodies = Array.from({ length: 10 }, (_, n) => `entry ${n}`);
    for (const [shard, body] of bodies.entries())
      await append(transport, shard % 3, { after: await tailOf(shard % 3), body });
    const all = await readSome(transport, 10);
    const rest = await readSome(transport, 6, { from: all[3]!.position });
    assert.deepEqual(rest, all.slice(4));

    async function tailOf(shard: number): Promise<Position | null> {
      return (await transport.log.tail(JOB, shard))?.position ?? null;
    }
  });

  void test(`${name}: a reader gets the entries of its job alone`, async () => {
    await using transport = await harness.open();
    await append(transport, 0, { after: null, body: "theirs", job: "other" });
    await append(transport, 0, { after: null, body: "ours" });
    await append(transport, 1, { after: null, body: "theirs too", job: "job_A" });
    const [entry] = await readSome(transport, 1);
    assert.equal(text(entry!.body), "ours");
    assert.equal(entry!.job, JOB);
  });

  void test(`${name}: trim keeps a shard's tail, and a reader skips what was trimmed`, async () => {
    await using transport = await harness.open();
    const positions: Position[] = [];
    for (let n = 0; n < 4; n++) {
      positions.push(await append(transport, 0, { after: positions.at(-1) ?? null, body: `a${n}` }));
    }
    const other = await append(transport, 1, { after: null, body: "b0" });
    await transport.log.trim(JOB, 0);
    await transport.log.trim(JOB, 2);
    assert.equal((await transport.log.tail(JOB, 0))?.position, positions[3]);
    for (const from of [null, positions[0]!, positions[2]!]) {
      assert.deepEqual(
        (await readSome(transport, 2, { from })).map((entry) => entry.position),
        [positions[3], other],
      );
    }
    await assert.rejects(append(transport, 0, { after: null, body: "a4" }), isFault("conflict"));
    await append(transport, 0, { after: positions[3]!, body: "a4" });
  });

  void test(`${name}: a shard that is forgotten starts anew, others stay`, async () => {
    await using transport = await harness.open();
    const old = await append(transport, 0, { after: null, body: "old" });
    await append(transport, 1, { after: null, body: "stays" });
    await transport.log.forget(JOB, 0);
    assert.equal(await transport.log.tail(JOB, 0), null);
    await assert.rejects(append(transport, 0, { after: old, body: "lost" }), isFault("conflict"));
    await append(transport, 0, { after: null, body: "new" });
    assert.deepEqual(
      (await readSome(transport, 2)).map((entry) => text(entry.body)),
      ["stays", "new"],
    );
  });

  void test(`${name}: dropping a job leaves no entry of it, and those of others`, async () => {
    await using transport = await harness.open();
    for (const job of [JOB, "other"]) await append(transport, 0, { after: null, body: "x", job });
    await append(transport, 1, { after: null, body: "y" });
    await transport.log.drop(JOB);
    assert.equal(await transport.log.tail(JOB, 0), null);
    assert.equal(await transport.log.tail(JOB, 1), null);
    assert.notEqual(await transport.log.tail("other", 0), null);
    await append(transport, 0, { after: null, body: "again" });
    assert.equal(text((await readSome(transport, 1))[0]!.body), "again");
  });

  void test(`${name}: a position is verified while its entry is kept, and when it was trimmed`, async () => {
    await using transport = await harness.open();
    const first = await append(transport, 0, { after: null, body: "1" });
    const second = await append(transport, 0, { after: first, body: "2" });
    assert.equal(await transport.log.verify(JOB, first), true);
    await transport.log.trim(JOB, 0);
    assert.equal(await transport.log.verify(JOB, first), true);
    assert.equal(await transport.log.verify(JOB, second), true);
  });

  void test(`${name}: a position of another log is not verified`, async () => {
    await using transport = await harness.open();
    await using other = await harness.open();
    let foreign = await append(other, 0, { after: null, body: "theirs" });
    foreign = await append(other, 0, { after: foreign, body: "theirs too" });
    assert.equal(await transport.log.verify(JOB, foreign), false);
    const own = await append(transport, 0, { after: null, body: "ours" });
    await append(transport, 0, { after: own, body: "ours too" });
    assert.equal(await transport.log.verify(JOB, foreign), false);
  });

  void test(`${name}: ten thousand shards are kept apart`, async () => {
    await using transport = await harness.open();
    for (let start = 0; start < 10_000; start += 500) {
      const shards = Array.from({ length: 500 }, (_, i) => start + i);
      await Promise.all(shards.map((shard) => append(transport, shard, { after: null, body: `only ${shard}` })));
    }
    const entries = await readSome(transport, 10_000);
    assert.equal(new Set(entries.map((entry) => entry.shard)).size, 10_000);
    for (const entry of entries) assert.equal(text(entry.body), `only ${entry.shard}`);
    assert.equal(text((await transport.log.tail(JOB, 9_999))!.body), "only 9999");
  });

  void test(`${name}: entries are copies`, async () => {
    await using transport = await harness.open();
    const body = bytes("as written");
    await append(transport, 0, { after: null, body });
    body.fill(0);
    (await transport.log.tail(JOB, 0))!.body.fill(0);
    (await readSome(transport, 1))[0]!.body.fill(0);
    assert.equal(text((await transport.log.tail(JOB, 0))!.body), "as written");
  });
}
