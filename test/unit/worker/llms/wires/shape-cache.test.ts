import assert from "node:assert/strict";
import { test } from "node:test";
import { ShapeCache } from "../../../../../worker/llms/wires/shape-cache.ts";
import type { ShapeKey } from "../../../../../worker/llms/wires/shape-cache.ts";

const key = (more: Partial<ShapeKey> = {}): ShapeKey => ({
  generationKwargs: {},
  structuredOutput: null,
  preQuery: false,
  ...more,
});

function counting() {
  const prepared: string[] = [];
  const cache = new ShapeCache(({ generationKwargs, structuredOutput, preQuery }, stream) => {
    const head = JSON.stringify([generationKwargs, structuredOutput, preQuery, stream]);
    prepared.push(head);
    return { shape: { generationKwargs, structuredOutput, stream }, head };
  });
  return { cache, prepared };
}

void test("the shapes of questions and answers are each prepared once, however they alternate", () => {
  const { cache, prepared } = counting();
  const { generationKwargs } = key();
  for (let turn = 0; turn < 100; turn++) {
    for (const preQuery of [true, false]) {
      const { head } = cache.get(key({ generationKwargs, preQuery }), false);
      assert.equal(head, JSON.stringify([{}, null, preQuery, false]));
    }
  }
  assert.equal(prepared.length, 2);
});

void test("parameters, structure and streaming each make a shape of their own", () => {
  const { cache, prepared } = counting();
  const first = key();
  const structuredOutput = { format: "regex", schema: "a" } as const;
  for (const each of [first, key({ ...first, generationKwargs: { a: 1 } }), key({ ...first, structuredOutput })]) {
    for (const stream of [false, true]) cache.get(each, stream);
    for (const stream of [false, true]) cache.get(each, stream);
  }
  assert.equal(prepared.length, 6);
});

void test("shapes beyond the capacity push out the oldest, and come back right", () => {
  const { cache, prepared } = counting();
  const keys = Array.from({ length: 20 }, (_, index) => key({ generationKwargs: { index } }));
  for (let round = 0; round < 2; round++) {
    for (const [index, each] of keys.entries()) {
      assert.equal(cache.get(each, false).head, JSON.stringify([{ index }, null, false, false]));
    }
  }
  assert.equal(prepared.length, 40);
});
