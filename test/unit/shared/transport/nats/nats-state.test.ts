import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import type { NatsState } from "../../../../../shared/transport/nats/nats-state.ts";
import type { Lease, VersionedState } from "../../../../../shared/transport/transport.ts";
import { bytes, isFault, text } from "../../../../contract/transport/harness.ts";
import { NATS_SERVER_VERSIONS, startNatsServer } from "../../../../support/nats-server.ts";
import { openState, openWire } from "./nats-world.ts";

for (const version of NATS_SERVER_VERSIONS) {
  void test(`${version}: a watcher learns what changed after a restart of the server`, async () => {
    await using server = await startNatsServer(version);
    await using watched = await openState(server.url);
    const present = await watched.it.swap("job.a", bytes("before"), null);
    const watching = watched.it.watch("job.", new AbortController().signal)[Symbol.asyncIterator]();
    assert.equal(await untilValue(watching, "job.a"), "before");
    await server.kill9();
    await server.restart();
    await using other = await openState(server.url);
    await other.it.swap("job.a", bytes("meanwhile"), present);
    await other.it.swap("job.b", bytes("new"), null);
    assert.equal(await untilValue(watching, "job.b"), "new");
    assert.equal(text((await watched.it.get("job.a"))!.value), "meanwhile");
    await watching.return?.(undefined);
  });

  void test(`${version}: a watcher learns what is in a bucket that lost its store`, async () => {
    await using server = await startNatsServer(version);
    await using watched = await openState(server.url);
    for (const key of ["job.a", "job.b", "job.c"]) await watched.it.swap(key, bytes("before"), null);
    const watching = watched.it.watch("job.", new AbortController().signal)[Symbol.asyncIterator]();
    assert.equal(await untilValue(watching, "job.c"), "before");
    await server.stop();
    await rm(join(server.storeDir, "jetstream"), { recursive: true });
    await server.kill9();
    await server.restart();
    await using other = await openState(server.url);
    await other.it.swap("job.d", bytes("after"), null);
    assert.equal(await untilValue(watching, "job.d"), "after");
    await watching.return?.(undefined);
  });

  void test(`${version}: a watcher whose subscription was overlooked is started anew`, async () => {
    await using server = await startNatsServer(version);
    await using present = await openState(server.url);
    await present.it.swap("job.a", bytes("there"), null);
    // The inbox of the first watcher is overlooked, and so are those by which the library tries again.
    let overlooked: RegExp | null = null;
    await using wire = await openWire(server.url, (sent) => {
      const inbox = /SUB (\S+)\.1 \d+\r\n/.exec(sent)?.[1];
      if (inbox !== undefined) overlooked ??= new RegExp(`SUB ${inbox}\\.\\d+ \\d+\\r\\n`);
      return overlooked === null ? sent : sent.replace(overlooked, "");
    });
    await using watched = await openState(wire.url);
    const watching = watched.it.watch("job.", new AbortController().signal)[Symbol.asyncIterator]();
    assert.equal(await untilValue(watching, "job.a"), "there");
    assert.notEqual(overlooked, null);
    await watching.return?.(undefined);
  });

  void test(`${version}: a prefix that ends within a token is watched, and leases are not`, async () => {
    await using server = await startNatsServer(version);
    await using state = await openState(server.url);
    await using lease = await state.it.lease("sink", 60_000);
    assert.notEqual(lease, null);
    for (const key of ["job.all", "job.b", "jolly", "lea"]) await state.it.swap(key, bytes("x"), null);
    const first = async (prefix: string, count: number): Promise<string[]> => {
      const keys: string[] = [];
      for await (const { key } of state.it.watch(prefix, new AbortController().signal)) {
        if (keys.push(key) === count) break;
      }
      return keys.toSorted();
    };
    assert.deepEqual(await first("job.a", 1), ["job.all"]);
    assert.deepEqual(await first("jo", 3), ["job.all", "job.b", "jolly"]);
    assert.deepEqual(await first("", 4), ["job.all", "job.b", "jolly", "lea"]);
  });

  void test(`${version}: a lease that is cut off from the server ends before another can have it`, async () => {
    await using server = await startNatsServer(version);
    await using wire = await openWire(server.url);
    await using cutOff = await openState(wire.url);
    await using other = await openState(server.url);
    const lost = (await cutOff.it.lease("sink", 600))!;
    assert.equal(await other.it.lease("sink", 600), null);
    wire.freeze();
    const taken = await untilLeased(other.it, "sink", 600);
    assert.equal(lost.expired.aborted, true);
    assert.ok(taken.version > lost.version);
    await taken.release();
  });

  void test(`${version}: a lease that was released is another's at once`, async () => {
    await using server = await startNatsServer(version);
    await using one = await openState(server.url);
    await using two = await openState(server.url);
    const first = (await one.it.lease("sink", 60_000))!;
    assert.equal(await two.it.lease("sink", 60_000), null);
    await first.release();
    const second = (await two.it.lease("sink", 60_000))!;
    assert.ok(second.version > first.version);
    assert.equal(await one.it.lease("sink", 60_000), null);
    await two.it.close();
    assert.equal(second.expired.aborted, true);
    assert.notEqual(await one.it.lease("sink", 60_000), null);
  });

  void test(`${version}: of many who want a dead holder's lease, one gets it`, async () => {
    await using server = await startNatsServer(version);
    const dead = await openState(server.url);
    const lost = (await dead.it.lease("sink", 300))!;
    await dead.connection.close();
    await using two = await openState(server.url);
    await using three = await openState(server.url);
    const [a, b] = await Promise.all([two, three].map((state) => untilLeasedOrTaken(state.it, lost.version)));
    assert.equal([a, b].filter((lease) => lease !== null).length, 1);
    await dead.it.close();
  });

  void test(`${version}: a lease outlasts a restart of the server`, async () => {
    await using server = await startNatsServer(version);
    await using one = await openState(server.url);
    await using two = await openState(server.url);
    const lease = (await one.it.lease("sink", 3_000))!;
    await server.kill9();
    await server.restart();
    const until = performance.now() + 3_500;
    while (performance.now() < until) {
      assert.equal(await two.it.lease("sink", 3_000), null);
      await delay(100);
    }
    assert.equal(lease.expired.aborted, false);
  });

  void test(`${version}: what is closed refuses, also while the server is away`, async () => {
    await using server = await startNatsServer(version);
    await using state = await openState(server.url);
    const lease = (await state.it.lease("sink", 60_000))!;
    await server.kill9();
    await state.it.close();
    assert.equal(lease.expired.aborted, true);
    await assert.rejects(state.it.get("k"), isFault("closed"));
    await assert.rejects(state.it.swap("k", bytes("x"), null), isFault("closed"));
  });
}

async function untilValue(watching: AsyncIterator<VersionedState>, key: string): Promise<string | null> {
  for (;;) {
    const { value } = (await watching.next()) as { value: VersionedState };
    if (value.key === key) return text(value.value);
  }
}

async function untilLeased(state: NatsState, name: string, ttlMs: number): Promise<Lease> {
  for (;;) {
    const lease = await state.lease(name, ttlMs);
    if (lease !== null) return lease;
    await delay(10);
  }
}

/** Null when another took it after `version`. */
async function untilLeasedOrTaken(state: NatsState, version: number): Promise<Lease | null> {
  for (;;) {
    const lease = await state.lease("sink", 60_000);
    if (lease !== null) return lease;
    const present = await state.get("lease/sink");
    if (present!.version > version) return null;
    await delay(10);
  }
}
