import assert from "node:assert/strict";
import { test } from "node:test";

import type { Lease, VersionedState } from "../../../shared/transport/transport.ts";
import { bytes, isFault, text } from "./harness.ts";
import type { TransportHarness } from "./harness.ts";

export function stateContract(name: string, harness: TransportHarness): void {
  void test(`${name}: a value is set where it was absent, then by its version`, async () => {
    await using transport = await harness.open();
    assert.equal(await transport.state.get("job.a"), null);
    const first = await transport.state.swap("job.a", bytes("planned"), null);
    const second = await transport.state.swap("job.a", bytes("running"), first);
    assert.ok(second > first);
    const state = (await transport.state.get("job.a"))!;
    assert.deepEqual({ ...state, value: text(state.value) }, { key: "job.a", version: second, value: "running" });
    state.value.fill(0);
    assert.equal(text((await transport.state.get("job.a"))!.value), "running");
  });

  void test(`${name}: a swap of another version conflicts and changes nothing`, async () => {
    await using transport = await harness.open();
    await assert.rejects(transport.state.swap("k", bytes("x"), 1), isFault("conflict"));
    const first = await transport.state.swap("k", bytes("1"), null);
    const second = await transport.state.swap("k", bytes("2"), first);
    await assert.rejects(transport.state.swap("k", bytes("x"), null), isFault("conflict"));
    await assert.rejects(transport.state.swap("k", bytes("x"), first), isFault("conflict"));
    assert.equal((await transport.state.get("k"))!.version, second);
  });

  void test(`${name}: of swaps that race, one wins`, async () => {
    await using transport = await harness.open();
    let version: number | null = null;
    for (let round = 0; round < 10; round++) {
      const racers: Promise<number>[] = ["a", "b", "c"].map((racer) =>
        transport.state.swap("k", bytes(racer), version),
      );
      const outcomes: PromiseSettledResult<number>[] = await Promise.allSettled(racers);
      const won = outcomes.filter((outcome) => outcome.status === "fulfilled");
      assert.equal(won.length, 1);
      version = won[0]!.value;
    }
  });

  void test(`${name}: a watcher gets what is there, then each change, of its prefix alone`, async () => {
    await using transport = await harness.open();
    const one = await transport.state.swap("job.one", bytes("1"), null);
    await transport.state.swap("lease.x", bytes("not mine"), null);
    const abort = new AbortController();
    const watching = transport.state.watch("job.", abort.signal)[Symbol.asyncIterator]();
    const next = async (): Promise<string> => {
      const { value } = (await watching.next()) as { value: VersionedState };
      return `${value.key}=${text(value.value)}`;
    };
    assert.equal(await next(), "job.one=1");
    const change = next();
    await transport.state.swap("job.one", bytes("2"), one);
    assert.equal(await change, "job.one=2");
    await transport.state.swap("other", bytes("not mine"), null);
    await transport.state.swap("job.two", bytes("1"), null);
    assert.equal(await next(), "job.two=1");
    const none = watching.next();
    abort.abort();
    assert.equal((await none).done, true);
  });

  void test(`${name}: a key that is dropped is absent, and may be set again with a larger version`, async () => {
    await using transport = await harness.open();
    await transport.state.drop("job.a");
    const first = await transport.state.swap("job.a", bytes("1"), null);
    await transport.state.drop("job.a");
    assert.equal(await transport.state.get("job.a"), null);
    await assert.rejects(transport.state.swap("job.a", bytes("x"), first), isFault("conflict"));
    const abort = new AbortController();
    const watching = transport.state.watch("job.", abort.signal)[Symbol.asyncIterator]();
    const next = watching.next();
    const second = await transport.state.swap("job.a", bytes("2"), null);
    assert.ok(second > first);
    assert.equal(((await next) as { value: VersionedState }).value.version, second);
    abort.abort();
  });

  void test(`${name}: what is listed is what is there, of the prefix alone, and how long ago it was written`, async () => {
    await using transport = await harness.open();
    const { state } = transport;
    const listed = async (prefix: string): Promise<string[]> =>
      (await state.list(prefix)).map(({ key, value }) => `${key}=${text(value)}`).toSorted();
    assert.deepEqual(await listed("job."), []);
    const version = await state.swap("job.a", bytes("1"), null);
    for (const key of ["job.b", "jobs", "other"]) await state.swap(key, bytes("x"), null);
    await state.swap("job.a", bytes("2"), version);
    assert.deepEqual(await listed("job."), ["job.a=2", "job.b=x"]);
    await state.drop("job.b");
    assert.deepEqual(await listed("job."), ["job.a=2"]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await state.swap("job.c", bytes("late"), null);
    const ages = new Map((await state.list("job.")).map(({ key, ageMs }) => [key, ageMs]));
    assert.ok(ages.get("job.a")! >= 290, `${ages.get("job.a")} ms`);
    assert.ok(ages.get("job.a")! - ages.get("job.c")! >= 250, `${ages.get("job.c")} ms`);
  });

  void test(`${name}: a lease is held by one at a time, and its version grows`, async () => {
    await using transport = await harness.open();
    const claims = await Promise.all([1, 2, 3].map(() => transport.state.lease("sink", 60_000)));
    const held = claims.filter((lease): lease is Lease => lease !== null);
    assert.equal(held.length, 1);
    const [first] = held;
    assert.equal(first!.name, "sink");
    assert.equal(first!.expired.aborted, false);
    await using other = await transport.state.lease("planner", 60_000);
    assert.notEqual(other, null);

    await first!.release();
    await first!.release();
    assert.equal(first!.expired.aborted, true);
    await using second = await transport.state.lease("sink", 60_000);
    assert.ok(second!.version > first!.version);
    assert.equal(second!.expired.aborted, false);
  });

  void test(`${name}: a lease renews itself for as long as it is held`, async () => {
    await using transport = await harness.open();
    await using lease = await transport.state.lease("sink", 1000);
    const until = performance.now() + 1800;
    while (performance.now() < until) {
      assert.equal(await transport.state.lease("sink", 1000), null);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(lease!.expired.aborted, false);
  });
}
