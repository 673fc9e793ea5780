/** What landed shards leave in a broker's result store, and when it goes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LandedGroups } from "../../../coordinator/sink/landed-groups.ts";
import type { BlobRef, BlobStore } from "../../../shared/transport/transport.ts";
import { openNatsTransport } from "../../../shared/transport/nats/nats-transport.ts";
import { startNatsServer } from "../../support/nats-server.ts";

const JOB = "job";
const MIB = 1024 * 1024;

void test("a group goes when all of it has landed, and its neighbours stay", async () => {
  await using world = await openWorld({ inGroups: true, blobBytes: 100 });
  await world.land([...upTo(63), 64, 65]);
  assert.equal(await world.left(), 65);
  await world.put(66);
  await world.land([63]);
  assert.deepEqual(await world.shardsLeft(), [64, 65, 66]);
});

void test("a group with a shard that never ends keeps a twentieth of the budget at most", async () => {
  await using world = await openWorld({ inGroups: true, blobBytes: 16_000, resultsBudgetBytes: 8 * MIB });
  await world.land(upTo(25).slice(1));
  assert.equal(await world.left(), 24);
  await world.put(0);
  await world.land([25, 26, 27]);
  assert.deepEqual(await world.shardsLeft(), [0]);
  await world.land([28]);
  assert.deepEqual(await world.shardsLeft(), [0, 28]);
});

void test("without groups each shard goes at once", async () => {
  await using world = await openWorld({ inGroups: false, blobBytes: 100 });
  await world.put(1);
  await world.land([0, 2]);
  assert.deepEqual(await world.shardsLeft(), [1]);
});

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}

async function openWorld(options: {
  readonly inGroups: boolean;
  readonly blobBytes: number;
  readonly resultsBudgetBytes?: number;
}) {
  const server = await startNatsServer("2.9.10");
  const { resultsBudgetBytes = 64 * MIB } = options;
  const { signal } = new AbortController();
  const budgets = { resultsBudgetBytes, inputsBudgetBytes: MIB };
  const transport = await openNatsTransport({ servers: server.url, name: "test", provision: true, signal, ...budgets });
  const results: BlobStore = transport.results;
  const landed = new Set<number>();
  const groups = new LandedGroups({
    results,
    job: JOB,
    inGroups: options.inGroups,
    isLanded: (shard) => landed.has(shard),
  });
  const refs = new Map<number, BlobRef>();
  const put = async (shard: number): Promise<void> => {
    refs.set(shard, await results.put(JOB, shard, new Uint8Array(options.blobBytes)));
  };
  const shardsLeft = async (): Promise<readonly number[]> => {
    const left: number[] = [];
    for (const [shard, ref] of refs) if ((await results.get(ref)) !== null) left.push(shard);
    return left.toSorted((a, b) => a - b);
  };
  return {
    put,
    shardsLeft,
    left: async () => (await shardsLeft()).length,
    async land(shards: readonly number[]): Promise<void> {
      for (const shard of shards) await put(shard);
      for (const shard of shards) landed.add(shard);
      await groups.drop(shards.map((shard) => ({ shard, storedBytes: options.blobBytes })));
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await transport.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
