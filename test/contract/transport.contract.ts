/**
 * What every Transport must do. Each implementation's test file calls this once, and so does the wrapper that injects
 * faults. Only what the port promises is tested: with `duplicates`, that nothing is lost rather than that nothing comes
 * twice; calls that reject `unknown` are repeated as a caller must repeat them.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { blobsContract } from "./transport/blobs.contract.ts";
import { append, bytes, isFault, JOB, readSome, surely, text } from "./transport/harness.ts";
import type { TransportHarness } from "./transport/harness.ts";
import { logContract } from "./transport/log.contract.ts";
import { stateContract } from "./transport/state.contract.ts";
import { tasksContract } from "./transport/tasks.contract.ts";

export function transportContract(name: string, harness: TransportHarness): void {
  tasksContract(name, harness);
  logContract(name, harness);
  blobsContract(name, harness, "inputs");
  blobsContract(name, harness, "results");
  stateContract(name, harness);

  void test(`${name}: closing ends what waits, and refuses what comes later`, async () => {
    const transport = await harness.open();
    const told: string[] = [];
    transport.onHealth((health) => told.push(health));
    const never = new AbortController().signal;
    const waiting = [
      transport.log.read(JOB, null, never)[Symbol.asyncIterator]().next(),
      transport.state.watch("", never)[Symbol.asyncIterator]().next(),
    ];
    const claiming = transport.tasks.claim(JOB, { waitMs: 60_000 });
    const ref = await surely(() => transport.results.put(JOB, 0, bytes("x")));
    const lease = (await transport.state.lease("sink", 60_000))!;

    await Promise.all([transport.close(), transport.close()]);
    await transport.close();
    assert.equal(await claiming, null);
    for (const each of waiting) assert.equal((await each).done, true);
    assert.equal(lease.expired.aborted, true);
    assert.equal(told.at(-1), "closed");

    const later: (() => Promise<unknown>)[] = [
      () => transport.tasks.put(JOB, 0, bytes("x")),
      () => transport.tasks.claim(JOB, { waitMs: 0 }),
      () => transport.log.append(JOB, 0, null, bytes("x")),
      () => transport.log.tail(JOB, 0),
      () => readSome(transport, 1),
      () => transport.inputs.put(JOB, 0, bytes("x")),
      () => transport.results.put(JOB, 0, bytes("x")),
      () => transport.results.get(ref),
      () => transport.state.get("k"),
      () => transport.state.swap("k", bytes("x"), null),
      () => transport.state.lease("sink", 1000),
    ];
    for (const call of later) await assert.rejects(surely(call), isFault("closed"), String(call));
  });

  if (harness.restart === undefined) return;
  const restart = harness.restart.bind(harness);

  void test(`${name}: log, result blobs and state outlive a restart`, async () => {
    let transport = await harness.open();
    const ref = await surely(() => transport.results.put(JOB, 0, bytes("rows")));
    const dropped = await surely(() => transport.results.put(JOB, 1, bytes("landed")));
    const first = await append(transport, 0, { after: null, body: "open" });
    const second = await append(transport, 0, { after: first, body: "rows" });
    await append(transport, 1, { after: null, body: "forgotten" });
    await transport.log.forget(JOB, 1);
    await transport.results.drop(JOB, 1);
    const version = await transport.state.swap("job", bytes("running"), null);
    await transport.state.swap("gone", bytes("x"), null);
    await transport.state.drop("gone");
    const lease = (await transport.state.lease("sink", 60_000))!;

    transport = await restart(transport);
    assert.equal(text(await transport.results.get(ref)), "rows");
    assert.equal(await transport.results.get(dropped), null);
    assert.deepEqual(
      (await readSome(transport, 2)).map(({ position }) => position),
      [first, second],
    );
    assert.equal(await transport.log.tail(JOB, 1), null);
    for (const position of [first, second]) assert.equal(await transport.log.verify(JOB, position), true);
    const third = await append(transport, 0, { after: second, body: "close" });
    assert.equal((await readSome(transport, 1, { from: second }))[0]!.position, third);
    assert.equal((await transport.state.get("job"))!.version, version);
    assert.equal(await transport.state.get("gone"), null);
    assert.ok((await transport.state.swap("job", bytes("done"), version)) > version);
    assert.ok((await transport.state.lease("sink", 60_000))!.version > lease.version);
    await transport.close();
  });

  void test(`${name}: a position that was trimmed before a restart is verified after it`, async () => {
    let transport = await harness.open();
    const first = await append(transport, 0, { after: null, body: "1" });
    const second = await append(transport, 0, { after: first, body: "2" });
    await transport.log.trim(JOB, 0);
    transport = await restart(transport);
    assert.equal(await transport.log.verify(JOB, first), true);
    assert.equal((await readSome(transport, 1, { from: first }))[0]!.position, second);
    await transport.close();
  });
}
