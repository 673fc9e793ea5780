import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Claim, Transport } from "../../../../../shared/transport/transport.ts";
import { bytes, claim, claimAll, isFault, JOB, text, surely } from "../../../../contract/transport/harness.ts";
import { openTestTransport } from "../../../../support/nats-harness.ts";
import { NATS_SERVER_VERSIONS, startNatsServer } from "../../../../support/nats-server.ts";

/** A server writes its consumers' state some tens of milliseconds after it changed. */
const WRITTEN_DOWN_MS = 1_000;

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(20);
}

async function putAgain(transport: Transport, shard: number, body: string): Promise<void> {
  await until(async () => {
    try {
      await transport.tasks.put(JOB, shard, bytes(body));
      return true;
    } catch (error) {
      if (isFault("unknown")(error) || isFault("unreachable")(error)) return false;
      throw error;
    }
  });
}

for (const version of NATS_SERVER_VERSIONS) {
  void test(`${version}: a claim waits over the death of its server`, async () => {
    await using server = await startNatsServer(version);
    await using transport = await openTestTransport(server.url);
    await transport.tasks.put(JOB, 0, bytes("before"));
    await (await claim(transport)).done();
    const waiting = transport.tasks.claim(JOB, { waitMs: 60_000 });
    await server.kill9();
    await server.restart();
    await putAgain(transport, 1, "after");
    const claimed = await waiting;
    assert.equal(text(claimed!.body), "after");
    await claimed!.beat();
    await surely(() => claimed!.done());
  });

  void test(`${version}: a claim is kept and finished over the death of its server`, async () => {
    await using server = await startNatsServer(version);
    await using transport = await openTestTransport(server.url);
    await transport.tasks.put(JOB, 4, bytes("x"));
    const claimed = await claim(transport);
    // A server that is killed before it wrote down what it handed out has not handed it out: no claim is kept then.
    await delay(WRITTEN_DOWN_MS);
    await server.kill9();
    await server.restart();
    // A server that has just come back may be slow to confirm: unknown outcomes are repeated, as by every caller.
    await Promise.all([surely(() => claimed.beat()), surely(() => claimed.beat())]);
    assert.equal(await transport.tasks.isPending(JOB, 4), true);
    await surely(() => claimed.done());
    assert.equal(await transport.tasks.isPending(JOB, 4), false);
  });

  void test(`${version}: without a broker a beat is unreachable or unknown, and a claim finds nothing`, async () => {
    await using server = await startNatsServer(version);
    await using transport = await openTestTransport(server.url);
    await transport.tasks.put(JOB, 4, bytes("x"));
    const claimed = await claim(transport);
    await server.kill9();
    await assert.rejects(claimed.beat(), (error) => isFault("unreachable")(error) || isFault("unknown")(error));
    assert.equal(await transport.tasks.claim(JOB, { waitMs: 100 }), null);
  });

  void test(`${version}: tasks that were done before the server was killed are pending no more`, async () => {
    await using server = await startNatsServer(version);
    await using transport = await openTestTransport(server.url, { leaseMs: 500 });
    const shards = Array.from({ length: 300 }, (_, shard) => shard);
    await Promise.all(shards.map((shard) => transport.tasks.put(JOB, shard, bytes("x"))));
    await claimAll(transport);
    await server.kill9();
    await server.restart();
    await until(async () => {
      // Some may come again, which is allowed; what a killed server keeps besides is no task.
      for (let again: Claim | null; (again = await transport.tasks.claim(JOB, { waitMs: 50 })) !== null;)
        await surely(() => again.done());
      const pending = await Promise.all(shards.map((shard) => transport.tasks.isPending(JOB, shard)));
      return !pending.includes(true);
    });
    await transport.tasks.put(JOB, 7, bytes("new"));
    assert.equal(await transport.tasks.isPending(JOB, 7), true);
    assert.equal((await claim(transport)).shard, 7);
  });

  void test(`${version}: a task is pending as long as another tells that it works on it, and not for long after`, async () => {
    await using server = await startNatsServer(version);
    await using coordinator = await openTestTransport(server.url, { leaseMs: 600 });
    const worker = await openTestTransport(server.url, { provision: false });
    await coordinator.tasks.put(JOB, 2, bytes("x"));
    const claimed = await claim(worker);
    for (let beats = 0; beats < 6; beats++) {
      await claimed.beat();
      await delay(200);
      assert.equal(await coordinator.tasks.isPending(JOB, 2), true);
    }
    await worker.close();
    await until(async () => !(await coordinator.tasks.isPending(JOB, 2)));
    assert.equal(text((await claim(coordinator)).body), "x");
  });

  void test(`${version}: a queue that another dropped is set up again for what is put after`, async () => {
    await using server = await startNatsServer(version);
    await using first = await openTestTransport(server.url);
    await using second = await openTestTransport(server.url);
    await first.tasks.put(JOB, 0, bytes("x"));
    const claimed = await claim(second);
    await second.tasks.drop(JOB);
    await surely(() => claimed.done());
    await claimed.beat();
    await first.tasks.put(JOB, 1, bytes("y"));
    await until(() => first.tasks.isPending(JOB, 1));
    assert.deepEqual(await claimAll(second), ["1:y"]);
  });

  void test(`${version}: a task that comes for an aborted claim goes to the next`, async () => {
    await using server = await startNatsServer(version);
    await using transport = await openTestTransport(server.url);
    await transport.tasks.put(JOB, 0, bytes("first"));
    await (await claim(transport)).done();
    const abort = new AbortController();
    const waiting = Array.from({ length: 5 }, () =>
      transport.tasks.claim(JOB, { waitMs: 60_000, signal: abort.signal }),
    );
    // Their pulls are at the server before it hears of the abort.
    await transport.tasks.counts(JOB);
    abort.abort();
    assert.deepEqual(await Promise.all(waiting), [null, null, null, null, null]);
    await transport.tasks.put(JOB, 1, bytes("next"));
    assert.equal(text((await claim(transport, { waitMs: 5_000 })).body), "next");
  });
}

void test("newest: a consumer that holds tasks back for a minute is made anew", async () => {
  await using server = await startNatsServer("newest");
  let skippedMs = 0;
  await using coordinator = await openTestTransport(server.url, { now: () => performance.now() + skippedMs });
  await using worker = await openTestTransport(server.url, { provision: false });
  await coordinator.tasks.put(JOB, 0, bytes("first"));
  await (await claim(worker)).done();
  const connection = await connect({ servers: server.url });
  const { consumers } = await jetstreamManager(connection);
  // Paused, it behaves as one that is stuck: tasks wait, somebody asks, nothing comes.
  await consumers.pause("TIDING_TASKS", JOB, new Date(Date.now() + 3_600_000));
  const waiting = worker.tasks.claim(JOB, { waitMs: 60_000 });
  await coordinator.tasks.put(JOB, 1, bytes("held back"));
  await until(async () => (await consumers.info("TIDING_TASKS", JOB)).num_waiting > 0);
  assert.equal(await coordinator.tasks.isPending(JOB, 1), true);
  skippedMs = 61_000;
  await until(async () => {
    assert.equal(await coordinator.tasks.isPending(JOB, 1), true);
    return (await consumers.info("TIDING_TASKS", JOB)).paused !== true;
  });
  assert.equal(text((await waiting)!.body), "held back");
  await connection.close();
});
