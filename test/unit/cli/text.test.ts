import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fit, labelled, plain, plainLines, textWidth, wrap } from "../../../cli/text.ts";

const look = { width: 40, colour: false, unicode: true };

void test("text from outside cannot steer the terminal", () => {
  assert.equal(plain("a\u001B[2Jb\u009B31mc\rd\u202Ee\u0007"), "abc de");
  assert.equal(plainLines("first\r\nsecond\tthird"), "first\nsecond  third");
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => !/[\p{Cc}\u202E]/u.test(plain(text))));
});

void test("wide characters count twice, box drawing once", () => {
  assert.equal(textWidth("abc"), 3);
  assert.equal(textWidth("漢字"), 4);
  assert.equal(textWidth("🙂"), 2);
  assert.equal(textWidth("━·…"), 3);
});

void test("a fitted text is whole or ends in a mark, and never too wide", () => {
  assert.equal(fit("abcdef", look, 6), "abcdef");
  assert.equal(fit("abcdef", look, 5), "abcd…");
  assert.equal(fit("abcdef", { ...look, unicode: false }, 5), "ab...");
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }),
      fc.nat(20),
      (text, width) => textWidth(fit(text, look, width)) <= width,
    ),
  );
});

void test("segments that do not fit continue on a line of their own, below the first", () => {
  assert.deepEqual(labelled("rows", ["5,083 of 12,500", "62.1/s", "128 running"], look), [
    "rows      5,083 of 12,500 · 62.1/s",
    "          128 running",
  ]);
  assert.deepEqual(labelled("retries", [], look), []);
});

void test("wrapping keeps every word", () => {
  assert.deepEqual(wrap("one two three", 7), ["one two", "three"]);
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^\w{1,9}$/), { minLength: 1 }), (words) => {
      const lines = wrap(words.join(" "), 10);
      return lines.join(" ") === words.join(" ") && lines.every((line) => line.length <= 10);
    }),
  );
});
