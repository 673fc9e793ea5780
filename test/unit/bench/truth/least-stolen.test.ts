import assert from "node:assert/strict";
import { test } from "node:test";
import { leastStolen } from "../../../../bench/engine/truth/least-stolen.ts";

/** Measures by a script: what is stolen in each try of an item. The result says which try it was. */
async function measured(script: Readonly<Record<string, readonly number[]>>, tries: number) {
  const order: string[] = [];
  const found = await leastStolen(Object.keys(script), tries, async (item) => {
    order.push(item);
    const nth = order.filter((one) => one === item).length;
    return { result: `${item}${nth}`, stolen: script[item]![nth - 1]! };
  });
  return { order: order.join(" "), results: found.map(({ result }) => result), stolen: found.map((one) => one.stolen) };
}

void test("what is measured in peace is measured once", async () => {
  assert.deepEqual(await measured({ a: [0], b: [0.005] }, 4), {
    order: "a b",
    results: ["a1", "b1"],
    stolen: [[0], [0.005]],
  });
});

void test("what the host disturbed is measured again behind the others, until it is left in peace", async () => {
  assert.deepEqual(await measured({ a: [0.3, 0.2, 0.001], b: [0.002], c: [0.006, 0] }, 4), {
    order: "a b c a c a",
    results: ["a3", "b1", "c2"],
    stolen: [[0.3, 0.2, 0.001], [0.002], [0.006, 0]],
  });
});

void test("of what is never left in peace the try with the least stolen counts, the first among equals", async () => {
  assert.deepEqual(await measured({ a: [0.2, 0.1, 0.3], b: [0.1, 0.1, 0.1] }, 3), {
    order: "a b a b a b",
    results: ["a2", "b1"],
    stolen: [
      [0.2, 0.1, 0.3],
      [0.1, 0.1, 0.1],
    ],
  });
});
