import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import fc from "fast-check";

import { openEmbeddedTransport } from "../../../../../shared/transport/embedded/embedded-transport.ts";
import type { BlobRef, Position, Transport } from "../../../../../shared/transport/transport.ts";
import { JOB, textsOf } from "../../../../support/embedded-log.ts";

const shard = fc.integer({ min: 0, max: 3 });
const size = fc.integer({ min: 0, max: 900 });
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant("append" as const), shard, size, stale: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant("put" as const), shard, size }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom("trim" as const, "forget" as const), shard }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("drop-blobs" as const), shard, upTo: fc.option(fc.nat(5)) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("swap" as const), shard, size }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom("drop-log" as const, "drop-job-blobs" as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom("restart" as const, "crash" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Model {
  readonly entries = new Map<number, { position: Position; text: string }[]>();
  readonly blobs = new Map<BlobRef, { shard: number; body: Buffer }>();
  readonly dropped: BlobRef[] = [];
  readonly values = new Map<string, { version: number; text: string }>();
  readonly positions: Position[] = [];

  dropBlobs(isMeant: (shard: number, index: number) => boolean): void {
    const counts = new Map<number, number>();
    for (const [ref, { shard: of }] of this.blobs) {
      const index = counts.get(of) ?? 0;
      counts.set(of, index + 1);
      if (!isMeant(of, index)) continue;
      this.blobs.delete(ref);
      this.dropped.push(ref);
    }
  }
}

async function take(taken: Step, transport: Transport, options: { model: Model; n: number }): Promise<void> {
  const { model, n } = options;
  switch (taken.type) {
    case "append": {
      const entries = model.entries.get(taken.shard) ?? [];
      const text = `${n}`.padEnd(taken.size, "x");
      const tail = entries.at(-1)?.position ?? null;
      if (taken.stale && model.positions.length > 0) {
        const other = model.positions.find((position) => position !== tail) ?? null;
        if (other === tail) return;
        await assert.rejects(transport.log.append(JOB, taken.shard, other, Buffer.from(text)), { fault: "conflict" });
        return;
      }
      const position = await transport.log.append(JOB, taken.shard, tail, Buffer.from(text));
      model.positions.push(position);
      model.entries.set(taken.shard, [...entries, { position, text }]);
      return;
    }
    case "put": {
      const body = Buffer.alloc(taken.size, n);
      model.blobs.set(await transport.results.put(JOB, taken.shard, body), { shard: taken.shard, body });
      return;
    }
    case "trim":
      await transport.log.trim(JOB, taken.shard);
      if (model.entries.has(taken.shard)) model.entries.set(taken.shard, model.entries.get(taken.shard)!.slice(-1));
      return;
    case "forget":
      await transport.log.forget(JOB, taken.shard);
      model.entries.delete(taken.shard);
      return;
    case "drop-blobs": {
      const refs = [...model.blobs].filter(([, blob]) => blob.shard === taken.shard).map(([ref]) => ref);
      const upTo = taken.upTo === null ? undefined : refs[taken.upTo];
      await transport.results.drop(JOB, taken.shard, upTo);
      const last = upTo === undefined ? Infinity : refs.indexOf(upTo);
      model.dropBlobs((of, index) => of === taken.shard && index <= last);
      return;
    }
    case "drop-job-blobs":
      await transport.results.dropJob(JOB);
      model.dropBlobs(() => true);
      return;
    case "drop-log":
      await transport.log.drop(JOB);
      model.entries.clear();
      return;
    case "swap": {
      const key = `key.${taken.shard}`;
      const text = `${n}`.padEnd(taken.size, "y");
      const version = await transport.state.swap(key, Buffer.from(text), model.values.get(key)?.version ?? null);
      model.values.set(key, { version, text });
      return;
    }
    case "restart":
    case "crash":
      throw new Error("not a step of one transport");
  }
}

async function assertLike(model: Model, transport: Transport): Promise<void> {
  const texts = await textsOf(transport);
  assert.deepEqual(
    [...texts].toSorted(([a], [b]) => a - b),
    [...model.entries].toSorted(([a], [b]) => a - b).map(([of, entries]) => [of, entries.map(({ text }) => text)]),
  );
  for (const position of model.positions) assert.equal(await transport.log.verify(JOB, position), true);
  for (const [ref, { body }] of model.blobs) assert.ok(body.equals((await transport.results.get(ref))!));
  for (const ref of model.dropped) assert.equal(await transport.results.get(ref), null);
  const bytes = [...model.blobs.values()].reduce((sum, { body }) => sum + body.length, 0);
  assert.equal((await transport.results.usage()).bytes, bytes);
  for (const [key, { version, text }] of model.values) {
    const state = (await transport.state.get(key))!;
    assert.deepEqual([state.version, Buffer.from(state.value).toString()], [version, text]);
  }
}

void test("whatever is done in whatever order, over restarts and crashes, the store holds what a simple model holds", async () => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 150, size: "max" }), async (steps) => {
    const directory = await mkdtemp(join(tmpdir(), "tiding-model-"));
    const open = (epoch: number) =>
      openEmbeddedTransport({ directory, epoch, segmentBytes: 3000, resultsBudgetBytes: 1e6 });
    const model = new Model();
    let epoch = 1;
    let transport = await open(epoch);
    try {
      for (const [n, each] of steps.entries()) {
        if (each.type === "restart") {
          await transport.close();
          transport = await open(++epoch);
          await assertLike(model, transport);
        } else if (each.type === "crash") {
          // What a durable call follows is durable. The former owner is left as it is, and wakes when its successor is there.
          await transport.log.forget("other", 0);
          const former = transport;
          transport = await open(++epoch);
          // A put into memory may still pass; it never becomes durable.
          const isLost = { code: "OWNERSHIP_LOST" };
          const late = former.results.put(JOB, 0, Buffer.from("too late"));
          await late.catch(() => assert.rejects(late, isLost));
          await assert.rejects(former.log.forget("other", 0), isLost);
          await former.close();
          await assertLike(model, transport);
        } else {
          await take(each, transport, { model, n });
        }
      }
      await assertLike(model, transport);
    } finally {
      await transport.close();
      await rm(directory, { recursive: true, force: true });
    }
  });
  await fc.assert(property, { numRuns: 25, endOnFailure: true });
});
