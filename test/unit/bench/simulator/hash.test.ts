import assert from "node:assert/strict";
import { test } from "node:test";
import { draw, hashText, hexOf, keyOf } from "../../../../bench/simulator/hash.ts";

void test("the hash of a text never changes, for answers of old runs are compared with it", () => {
  assert.equal(hexOf(hashText("")), "681457b67d9723bb");
  assert.equal(hexOf(hashText("Why is the sky blue?")), "881aac1f43b009af");
  assert.equal(hexOf(hashText("Warum ist der Himmel blau? 🐦")), "53e65072c00c8dda");
});

void test("texts that differ in one character, in order or in length have different hashes", () => {
  const texts = Array.from({ length: 200_000 }, (_, index) => `row ${index}`);
  texts.push("ab", "ba", "a\0", "a", "\0", "\0\0", "");
  const hashes = texts.map(hashText);
  assert.equal(new Set(hashes.map(hexOf)).size, texts.length);
  assert.equal(new Set(hashes.map(keyOf)).size, texts.length);
  assert.ok(hashes.every((hash) => Number.isSafeInteger(keyOf(hash))));
});

void test("draws spread evenly over [0, 1), and draws for other purposes are independent", () => {
  const bins = new Uint32Array(100); // Ten tenths of one draw by ten tenths of another.
  const count = 100_000;
  for (let index = 0; index < count; index++) {
    const hash = hashText(`prompt ${index}`);
    bins[Math.floor(draw(hash, 1) * 10) * 10 + Math.floor(draw(hash, 4, 2, 7) * 10)]! += 1;
  }
  // Chi-squared with 99 degrees of freedom: 160 is passed by chance about once in 8,000 hash functions.
  const expected = count / bins.length;
  assert.ok(bins.reduce((sum, found) => sum + (found - expected) ** 2 / expected, 0) < 160);
});
