import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Bitmap } from "../../../../shared/rows/bitmap.ts";

const sets = fc.integer({ min: 1, max: 300 }).chain((size) =>
  fc.record({
    size: fc.constant(size),
    a: fc.uniqueArray(fc.nat({ max: size - 1 })),
    b: fc.uniqueArray(fc.nat({ max: size - 1 })),
  }),
);

function bitmapOf(size: number, positions: readonly number[]): Bitmap {
  const bitmap = new Bitmap(size);
  for (const position of positions) bitmap.add(position);
  return bitmap;
}

void test("a bitmap behaves like a set of positions", () => {
  fc.assert(
    fc.property(sets, ({ size, a, b }) => {
      const left = bitmapOf(size, a);
      const right = bitmapOf(size, b);
      assert.deepEqual(
        [...left],
        a.toSorted((x, y) => x - y),
      );
      assert.equal(left.count, a.length);
      assert.deepEqual(new Set(left.without(right)), new Set(a.filter((position) => !b.includes(position))));
      const union = left.copy();
      union.addAll(right);
      assert.deepEqual(new Set(union), new Set([...a, ...b]));
      union.removeAll(right);
      assert.deepEqual(new Set(union), new Set(left.without(right)));
      assert.equal(left.isEmpty, a.length === 0);
      assert.equal(left.isFull, a.length === size);
    }),
  );
});

void test("a bitmap survives its way through text", () => {
  fc.assert(
    fc.property(sets, ({ size, a }) => {
      assert.deepEqual(
        [...Bitmap.fromText(size, bitmapOf(size, a).toText())],
        a.toSorted((x, y) => x - y),
      );
    }),
  );
});

void test("a full bitmap has no bits behind its size", () => {
  assert.deepEqual([...Bitmap.full(11)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(Bitmap.full(11).without(Bitmap.full(11)).isEmpty, true);
});

void test("what is nearly empty or nearly full takes few letters", () => {
  assert.equal(new Bitmap(2_048).toText(), "");
  assert.equal(Bitmap.full(2_048).toText(), "~");
  const first = bitmapOf(2_048, [0, 7]);
  assert.ok(first.toText().length <= 2, first.toText());
  assert.ok(Bitmap.full(2_048).without(first).toText().length <= 3);
});
