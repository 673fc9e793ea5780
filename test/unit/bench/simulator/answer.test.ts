import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { answerFor, answerKey, countTokens, promptOf } from "../../../../bench/simulator/answer.ts";

const wholeAnswer = { answerChars: 200 };

void test("an answer begins with its prompt's key, is as long as asked, and is the same every time", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 24, max: 100_000 }), (prompt, answerChars) => {
      const answer = answerFor(prompt, { answerChars });
      assert.ok(answer.text.startsWith(`${answerKey(prompt)}:`));
      assert.ok(answer.text.length <= answerChars);
      assert.ok(answer.text.length > answerChars - 12); // No word of the vocabulary is longer than 9 letters.
      assert.equal(answer.tokens, countTokens(answer.text) + 1);
      assert.equal(answer.cut, false);
      assert.match(answer.text, /^[A-Za-z0-9 .:-]+$/);
      assert.deepEqual(answerFor(prompt, { answerChars }), answer);
      assert.deepEqual(answerFor(prompt, { answerChars: answer.text.length }), answer); // A limit met exactly.
    }),
    { numRuns: 200 },
  );
});

void test("max tokens cuts an answer to its first words, and only then is it cut", () => {
  const { text, tokens } = answerFor("a prompt", wholeAnswer);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: tokens + 5 }), (maxTokens) => {
      const answer = answerFor("a prompt", { ...wholeAnswer, maxTokens });
      assert.equal(answer.cut, maxTokens < tokens);
      assert.equal(answer.tokens, Math.min(maxTokens, tokens));
      assert.equal(answer.text, text.split(" ").slice(0, maxTokens).join(" "));
    }),
  );
});

void test("an answer of a given number of tokens has exactly that many", () => {
  for (const answerTokens of [2, 3, 100, 5000, 9001]) {
    const answer = answerFor("a prompt", { ...wholeAnswer, answerTokens });
    assert.equal(answer.tokens, answerTokens);
    assert.equal(countTokens(answer.text), answerTokens - 1);
  }
});

void test("answers to other prompts differ in more than their keys", () => {
  const words = (prompt: string): string => answerFor(prompt, wholeAnswer).text.split(": ")[1]!;
  const texts = new Set(Array.from({ length: 100 }, (_, index) => words(`prompt ${index}`)));
  assert.ok(texts.size > 95);
});

void test("a seed that is given changes the answer and keeps the prompt's key", () => {
  const first = answerFor("a prompt", { ...wholeAnswer, seed: 1 }).text;
  const second = answerFor("a prompt", { ...wholeAnswer, seed: 2 }).text;
  assert.ok(first.startsWith(`${answerKey("a prompt")}.1: `));
  assert.ok(second.startsWith(`${answerKey("a prompt")}.2: `));
  assert.notEqual(first.split(": ")[1], second.split(": ")[1]);
});

void test("the prompt of a chat holds every role and content in order, with images as Markdown", () => {
  const prompt = promptOf([
    { role: "system", content: "Be brief." },
    {
      role: "user",
      content: [
        { type: "text", text: "What is this?" },
        { type: "image_url", image_url: { url: "http://127.0.0.1/a.png" } },
      ],
    },
    { role: "assistant", content: null },
  ]);
  assert.equal(prompt, "<|system|>\nBe brief.\n<|user|>\nWhat is this?![](http://127.0.0.1/a.png)\n<|assistant|>\n\n");
});

void test("tokens are counted as words between blanks", () => {
  const words = fc.array(fc.stringMatching(/^[a-zé鳥]{1,5}$/), { maxLength: 20 });
  fc.assert(
    fc.property(words, fc.constantFrom(" ", "\n", " \t "), (list, blank) => {
      assert.equal(countTokens(blank + list.join(blank)), list.length);
    }),
  );
});
