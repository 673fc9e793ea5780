import assert from "node:assert/strict";
import { test } from "node:test";
import { poolingOf, poolStates } from "../../../../../worker/llms/transformers/pool-states.ts";

const states = [Float32Array.of(1, 6), Float32Array.of(2, 0), Float32Array.of(3, 6)];

void test("the states of a text's tokens become their mean, the first or the last", () => {
  assert.deepEqual(poolStates(states, { pooling: "mean", normalize: false }), [2, 4]);
  assert.deepEqual(poolStates(states, { pooling: "cls", normalize: false }), [1, 6]);
  assert.deepEqual(poolStates(states, { pooling: "last", normalize: false }), [3, 6]);
});

void test("a vector is brought to length 1 where that is asked for; one of zeros stays", () => {
  assert.deepEqual(poolStates([Float32Array.of(3, 4)], { pooling: "mean", normalize: true }), [0.6, 0.8]);
  assert.deepEqual(poolStates([Float32Array.of(0, 0)], { pooling: "mean", normalize: true }), [0, 0]);
});

void test("the mean as it stands is the default, and any other setting is refused by name", () => {
  assert.deepEqual(poolingOf({}), { pooling: "mean", normalize: false });
  assert.deepEqual(poolingOf({ pooling: "cls", normalize: true }), { pooling: "cls", normalize: true });
  for (const [name, value] of [
    ["pooling", "max"],
    ["normalize", "yes"],
    ["truncate", true],
  ] as const) {
    assert.throws(() => poolingOf({ [name]: value }), { code: "SPEC_INVALID", place: `generation_kwargs.${name}` });
  }
});
