import assert from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import { test } from "node:test";
import type { LogEntry, Transport } from "../../../../../shared/transport/transport.ts";
import { append, bytes, isFault, JOB, readSome, surely, text } from "../../../../contract/transport/harness.ts";
import { openTestTransport } from "../../../../support/nats-harness.ts";
import { NATS_SERVER_VERSIONS, startNatsServer } from "../../../../support/nats-server.ts";

/** Appends while the broker may be away. */
async function appendOnce(transport: Transport, shard: number, body: string): Promise<LogEntry> {
  for (;;) {
    try {
      const tail = await transport.log.tail(JOB, shard);
      if (text(tail?.body ?? null) === body) return tail!;
      await surely(() => transport.log.append(JOB, shard, tail?.position ?? null, bytes(body)));
    } catch (error) {
      if (!isFault("unreachable")(error) && !isFault("conflict")(error)) throw error;
    }
  }
}

async function take(entries: AsyncIterator<LogEntry>, count: number): Promise<(string | null)[]> {
  const bodies: (string | null)[] = [];
  while (bodies.length < count) {
    const next = await entries.next();
    if (next.done === true) throw new Error("The reader ended.");
    bodies.push(text(next.value.body));
  }
  return bodies;
}

for (const version of NATS_SERVER_VERSIONS) {
  void test(`${version}: a reader goes on where it was when its server was killed and started again`, async () => {
    await using server = await startNatsServer(version);
    await using transport = await openTestTransport(server.url);
    const told: string[] = [];
    transport.onHealth((health) => told.push(health));
    const reading = transport.log.read(JOB, null, new AbortController().signal)[Symbol.asyncIterator]();
    for (const [shard, body] of ["a", "b", "c"].entries()) await appendOnce(transport, shard, body);
    assert.deepEqual(await take(reading, 3), ["a", "b", "c"]);
    const waiting = take(reading, 2);
    await server.kill9();
    await server.restart();
    await appendOnce(transport, 0, "d");
    await appendOnce(transport, 1, "e");
    assert.deepEqual(await waiting, ["d", "e"]);
    assert.deepEqual(told, ["down", "up"]);
  });

  void test(`${version}: what a rollback of the store took is noticed, and read begins anew`, async () => {
    await using server = await startNatsServer(version);
    await using transport = await openTestTransport(server.url);
    const told: string[] = [];
    transport.onHealth((health) => told.push(health));
    const kept = [await appendOnce(transport, 0, "a"), await appendOnce(transport, 1, "b")];
    const copy = `${server.storeDir}-copy`;
    await server.stop();
    await cp(server.storeDir, copy, { recursive: true });
    await server.restart();
    const reading = transport.log.read(JOB, null, new AbortController().signal)[Symbol.asyncIterator]();
    const lost = await appendOnce(transport, 0, "c");
    assert.deepEqual(await take(reading, 3), ["a", "b", "c"]);

    await server.kill9();
    await rm(server.storeDir, { recursive: true });
    await cp(copy, server.storeDir, { recursive: true });
    await server.restart();
    assert.deepEqual(await take(reading, 2), ["a", "b"]);
    assert.ok(told.includes("rolled-back"));
    assert.equal(await transport.log.verify(JOB, lost.position), false);
    // Another entry comes to lie under the same sequence.
    await appendOnce(transport, 0, "other");
    assert.deepEqual(await take(reading, 1), ["other"]);
    assert.equal(await transport.log.verify(JOB, lost.position), false);
    for (const { position } of kept) assert.equal(await transport.log.verify(JOB, position), true);
    const resumed = await readSome(transport, 3, { from: lost.position });
    assert.deepEqual(
      resumed.map(({ body }) => text(body)),
      ["a", "b", "other"],
    );
    await rm(copy, { recursive: true });
  });

  void test(`${version}: a stream of the same name that was made anew is another log`, async () => {
    await using server = await startNatsServer(version);
    const first = await openTestTransport(server.url);
    const { position } = await appendOnce(first, 0, "a");
    await first.close();
    await server.stop();
    await rm(server.storeDir, { recursive: true });
    await server.restart();
    await using second = await openTestTransport(server.url);
    await appendOnce(second, 0, "a");
    assert.equal(await second.log.verify(JOB, position), false);
    await assert.rejects(second.log.append(JOB, 0, position, bytes("b")), isFault("conflict"));
  });

  void test(`${version}: a reader gets every entry while others are trimmed and forgotten`, async () => {
    await using server = await startNatsServer(version);
    await using transport = await openTestTransport(server.url);
    const rounds = 12;
    const shards = Array.from({ length: 20 }, (_, shard) => shard);
    const seen: string[] = [];
    const reading = (async () => {
      const entries = transport.log.read(JOB, null, new AbortController().signal);
      for await (const { shard, body } of entries) {
        seen.push(`${shard}:${text(body)}`);
        // As the sink does it: only what was read is dropped.
        if (text(body) === "last") await transport.log.forget(JOB, shard);
        else await transport.log.trim(JOB, shard);
        if (seen.length === shards.length * (rounds + 1)) return;
      }
    })();
    const expected: string[] = [];
    const write = async (shard: number): Promise<void> => {
      let after = null;
      for (let round = 0; round <= rounds; round++) {
        const body = round === rounds ? "last" : String(round);
        after = await append(transport, shard, { after, body });
        expected.push(`${shard}:${body}`);
        // Until it was read, an entry is the tail, which trim keeps.
        while (!seen.includes(`${shard}:${body}`)) await new Promise(setImmediate);
      }
    };
    await Promise.all(shards.map(write));
    await reading;
    assert.deepEqual(seen.toSorted(), expected.toSorted());
  });
}
