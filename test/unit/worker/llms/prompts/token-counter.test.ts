import assert from "node:assert/strict";
import { test } from "node:test";
import { Tokenizer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { openTokenCounter, requireRoom } from "../../../../../worker/llms/prompts/token-counter.ts";
import type { JsonObject } from "../../../../../worker/llms/prompts/tokenizer-files.ts";
import { fixture } from "../../../../support/chat-templates.ts";

const VOCABULARIES = ["llama3.1", "qwen3", "gemma3", "mistral-v3"];

async function filesOf(name: string) {
  const tokenizer = await fixture<JsonObject>(`${name}/tokenizer.json`);
  const config = await fixture<JsonObject>(`${name}/tokenizer_config.json`);
  return { name, tokenizer, config, specialTokensMap: {}, chatTemplate: "" };
}

for (const name of VOCABULARIES) {
  void test(`the tokens of ${name} are those that Python's tokenizers gives`, async () => {
    const files = await filesOf(name);
    const tokenizer = new Tokenizer(files.tokenizer, files.config);
    const counter = openTokenCounter(files);
    const corpus = await fixture<readonly { readonly text: string; readonly ids: readonly number[] }[]>(
      `${name}/ids.json`,
    );
    assert.ok(corpus.length > 20);
    for (const { text, ids } of corpus) {
      assert.deepEqual(tokenizer.encode(text, { add_special_tokens: false }).ids, ids, JSON.stringify(text));
      assert.equal(counter.countTokens(text), ids.length, JSON.stringify(text));
      assert.equal(counter.fits(text, ids.length), true);
      assert.equal(counter.fits(text, ids.length - 1), false);
    }
  });

  void test(`a text has as many tokens of ${name} as its pieces together`, async () => {
    const files = await filesOf(name);
    const tokenizer = new Tokenizer(files.tokenizer, files.config);
    const counter = openTokenCounter(files);
    const part = fc.constantFrom(
      " ",
      "  ",
      "\n",
      "\t",
      "word",
      "The",
      ",",
      ".",
      "'s",
      "7",
      "é",
      "▁",
      "(",
      "<|im_end|>",
      "漢",
      "</s>",
      "🏳️‍🌈",
      "\u0301",
    );
    const texts = fc.array(part, { maxLength: 30 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(texts, (text) => {
        assert.equal(counter.countTokens(text), tokenizer.encode(text, { add_special_tokens: false }).ids.length);
      }),
      { numRuns: 500 },
    );
  });
}

/** "▁" is put before every text, as by Llama 2's tokenizer. */
void test("pieces are right where a space is put before every text", async () => {
  const files = await filesOf("mistral-v3");
  const space = { type: "Replace", pattern: { String: " " }, content: "▁" };
  const normalizer = { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, space] };
  const prepending = { ...files, tokenizer: { ...files.tokenizer, normalizer, pre_tokenizer: null } };
  const tokenizer = new Tokenizer(prepending.tokenizer, prepending.config);
  const counter = openTokenCounter(prepending);
  for (const text of ["word word.  word 7 ", "a ", " a  b", "word word word, word\n word", "word </s> word a"]) {
    assert.equal(counter.countTokens(text), tokenizer.encode(text, { add_special_tokens: false }).ids.length, text);
  }
});

void test("a text that is short enough by its bytes is not counted", async (t) => {
  const counter = openTokenCounter(await filesOf("qwen3"));
  const encode = t.mock.method(Tokenizer.prototype, "encode");
  const text = "x".repeat(100);
  assert.equal(counter.fits(text, 102), true);
  requireRoom(counter, text, { contextTokens: 202, answerTokens: 100 });
  assert.equal(encode.mock.callCount(), 0);
  assert.equal(counter.fits(text, 101), true);
  assert.equal(encode.mock.callCount(), 1);
});

void test("a text that grows when it is normalised is never let through by its bytes", async () => {
  const qwen = openTokenCounter(await filesOf("qwen3"));
  const growing = "\u{1d160}".repeat(10);
  const tokens = qwen.countTokens(growing);
  assert.ok(tokens > Buffer.byteLength(growing) + 2, "the text is of use to this test");
  assert.equal(qwen.fits(growing, tokens - 1), false);
  assert.equal(qwen.fits(growing, tokens), true);
});

void test("a row without room for its answer fails with the numbers, before its call", async () => {
  const counter = openTokenCounter(await filesOf("llama3.1"));
  const text = "word word ".repeat(50);
  const tokens = counter.countTokens(text);
  requireRoom(counter, text, { contextTokens: tokens + 100, answerTokens: 100 });
  assert.throws(() => requireRoom(counter, text, { contextTokens: tokens + 99, answerTokens: 100 }), {
    code: "CONTEXT_TOO_LONG",
    details: { tokens, answerTokens: 100, contextTokens: tokens + 99 },
    mend: /lower max_new_tokens/,
  });
  // Where any answer would do, a shorter one helps nothing.
  assert.throws(() => requireRoom(counter, text, { contextTokens: tokens, answerTokens: 1 }), {
    code: "CONTEXT_TOO_LONG",
    mend: /^Shorten the input, then/,
  });
});
