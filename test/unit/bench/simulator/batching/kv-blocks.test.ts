import assert from "node:assert/strict";
import { test } from "node:test";
import { KvBlocks } from "../../../../../bench/simulator/batching/kv-blocks.ts";
import type { KvAllocation } from "../../../../../bench/simulator/batching/kv-blocks.ts";
import { PrefixCache } from "../../../../../bench/simulator/batching/prefix-cache.ts";
import { ownIds, wordIds } from "../../../../../bench/simulator/batching/token-ids.ts";
import { draw, hashText } from "../../../../../bench/simulator/hash.ts";

const SYSTEM = "you are a careful bird";

void test("equal words have equal identities, and others differ", () => {
  const ids = wordIds(" a bird\nis a\tbird ");
  assert.equal(ids.length, 5);
  assert.equal(ids[0], ids[3]);
  assert.equal(ids[1], ids[4]);
  assert.equal(new Set(ids).size, 3);
  assert.deepEqual(ownIds(3, 5, 8), ownIds(3, 0, 8).slice(5));
  assert.equal(new Set([...ownIds(3, 0, 100), ...ownIds(4, 0, 100)]).size, 200);
});

void test("the longest shared prefix is found, inside a stretch too", () => {
  const cache = new PrefixCache(1);
  assert.equal(cache.insert(wordIds(`${SYSTEM} sing a song`)), 8);
  assert.equal(cache.insert(wordIds(`${SYSTEM} sing a song`)), 0);
  assert.equal(cache.insert(wordIds(`${SYSTEM} build a nest`)), 3);
  assert.equal(cache.blocks, 11);
  assert.equal(cache.find(wordIds(`${SYSTEM} sing no more`)).tokens, 6);
  assert.equal(cache.find(wordIds(SYSTEM)).tokens, 5);
  assert.equal(cache.find(wordIds("another prompt")).tokens, 0);
});

void test("only whole blocks are held and found", () => {
  const cache = new PrefixCache(4);
  assert.equal(cache.insert(wordIds("a b c d e f g h i j")), 2);
  assert.equal(cache.find(wordIds("a b c d e f g h i j k")).tokens, 8);
  assert.equal(cache.find(wordIds("a b c d e f g x")).tokens, 4);
  assert.equal(cache.find(wordIds("a b c")).tokens, 0);
  assert.equal(cache.insert(wordIds("a b c")), 0);
});

void test("the least recently used prefix is evicted first, and a held one never", () => {
  const cache = new PrefixCache(1);
  for (const text of ["one 1 1 1", "two 2 2 2", "three 3 3 3"]) cache.insert(wordIds(text));
  cache.release(cache.find(wordIds("one 1 1 1")).node);
  const held = cache.find(wordIds("two 2 2 2"));
  assert.equal(cache.evict(4), 4);
  assert.equal(cache.find(wordIds("three 3 3 3")).tokens, 0);
  assert.equal(cache.evict(100), 4);
  assert.equal(cache.find(wordIds("one 1 1 1")).tokens, 0);
  assert.equal(cache.blocks, 4);
  cache.release(held.node);
  assert.equal(cache.evict(1), 1);
  assert.equal(cache.find(wordIds("two 2 2 2")).tokens, 3);
});

void test("leaves go before the prefix they share", () => {
  const cache = new PrefixCache(1);
  cache.insert(wordIds(`${SYSTEM} one`));
  cache.insert(wordIds(`${SYSTEM} two`));
  assert.equal(cache.evict(2), 2);
  assert.equal(cache.find(wordIds(SYSTEM)).tokens, 5);
});

void test("a known prefix takes no memory of its own, and is evicted where memory lacks", () => {
  const blocks = new KvBlocks({ kvTokens: 21, blockTokens: 1, prefixCache: true });
  assert.equal(blocks.capacityTokens, 20);
  const ids = wordIds("a b c d e f g h");
  blocks.release(blocks.allocate(12, ids)!, ids);
  assert.deepEqual([blocks.takenTokens, blocks.cachedTokens], [0, 8]);
  const shared = blocks.allocate(12, ids)!;
  assert.deepEqual([shared.cachedTokens, blocks.takenTokens], [8, 4]);
  assert.equal(blocks.allocate(9, null), null);
  blocks.release(shared, ids);
  assert.ok(blocks.allocate(20, null));
  assert.equal(blocks.cachedTokens, 0);
});

void test("whatever is taken comes back: random work leaves all memory free or cached", () => {
  for (const blockTokens of [1, 16]) {
    const blocks = new KvBlocks({ kvTokens: 2_000, blockTokens, prefixCache: true });
    const held: { allocation: KvAllocation; ids: Uint32Array | null }[] = [];
    const hash = hashText(`blocks of ${blockTokens}`);
    let refused = 0;
    for (let turn = 0; turn < 3_000; turn++) {
      const random = (purpose: number): number => draw(hash, purpose, turn);
      if (random(1) < 0.5 && held.length > 0) {
        const { allocation, ids } = held.splice(Math.floor(random(2) * held.length), 1)[0]!;
        blocks.release(allocation, random(3) < 0.8 ? ids : null);
      } else {
        const group = Math.floor(random(4) * 4);
        const own = Math.floor(random(5) * 100);
        const ids = random(6) < 0.8 ? Uint32Array.of(...ownIds(group, 0, 60), ...ownIds(100 + turn, 0, own)) : null;
        const allocation = blocks.allocate(100 + own, ids);
        if (allocation === null) refused++;
        else held.push({ allocation, ids });
      }
      assert.ok(blocks.takenTokens >= 0 && blocks.takenTokens + blocks.cachedTokens <= blocks.capacityTokens);
    }
    assert.ok(refused > 10);
    for (const { allocation, ids } of held) blocks.release(allocation, ids);
    assert.equal(blocks.takenTokens, 0);
    assert.ok(blocks.allocate(blocks.capacityTokens, null));
  }
});
