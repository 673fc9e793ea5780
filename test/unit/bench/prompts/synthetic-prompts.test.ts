import assert from "node:assert/strict";
import { test } from "node:test";
import { openPrompts } from "../../../../bench/prompts/prompt-source.ts";
import type { PromptOptions } from "../../../../bench/prompts/prompt-options.ts";
import type { PromptSet } from "../../../../bench/prompts/prompt-source.ts";
import { openTokenMeasure } from "../../../../bench/prompts/token-measure.ts";
import { isTidingError } from "../../../../shared/errors.ts";
import { tokenizerFolder } from "../../../support/chat-templates.ts";

type Changes = Partial<PromptOptions> & {
  readonly tokens?: { readonly mean: number; readonly std?: number; readonly min?: number; readonly max?: number };
  readonly count?: number;
  readonly instruction?: string;
};

function synthetic({ tokens = { mean: 200 }, count, instruction, ...options }: Changes = {}): PromptOptions {
  const source = {
    kind: "synthetic" as const,
    tokens,
    ...(count === undefined ? {} : { count }),
    ...(instruction === undefined ? {} : { instruction }),
  };
  return { source, maxTokens: 64, folder: ".", ...options };
}

function texts(prompts: PromptSet, count: number): string[] {
  return Array.from({ length: count }, (_, index) => prompts.prompt(index).text);
}

const wordMeasure = await openTokenMeasure(null, { folder: "." });
const words = (text: string): number => wordMeasure.countTokens(text);

void test("prompts of a fixed length have exactly that many words, nonce and instruction included", async () => {
  const prompts = await openPrompts(synthetic({ tokens: { mean: 120 } }));
  for (const text of texts(prompts, 200)) assert.equal(words(text), 120);
});

void test("lengths follow mean and standard deviation, and std is no variance (inference-benchmarker took variance for it)", async () => {
  const prompts = await openPrompts(synthetic({ tokens: { mean: 500, std: 100 } }));
  const lengths = texts(prompts, 4_000).map((text) => words(text));
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  const std = Math.sqrt(lengths.reduce((sum, length) => sum + (length - mean) ** 2, 0) / lengths.length);
  // Five standard errors of 4,000 draws.
  assert.ok(Math.abs(mean - 500) < 8, `mean ${mean}`);
  assert.ok(Math.abs(std - 100) < 6, `std ${std}`);
});

void test("min and max hold for every prompt and every answer (inference-benchmarker cut prompts to one length)", async () => {
  const prompts = await openPrompts(
    synthetic({
      tokens: { mean: 100, std: 80, min: 60, max: 130 },
      maxTokens: { mean: 50, std: 40, min: 40, max: 90 },
    }),
  );
  const all = Array.from({ length: 3_000 }, (_, index) => prompts.prompt(index));
  const lengths = all.map(({ text }) => words(text));
  assert.equal(Math.min(...lengths), 60);
  assert.equal(Math.max(...lengths), 130);
  assert.ok(new Set(lengths).size > 60, "lengths between the bounds occur");
  const answers = all.map(({ maxTokens }) => maxTokens);
  assert.equal(Math.min(...answers), 40);
  assert.equal(Math.max(...answers), 90);
});

void test("the same options give the same prompts to every thread that opens them", async () => {
  const options = synthetic({ tokens: { mean: 80, std: 20 }, maxTokens: { mean: 50, std: 9 }, run: "a", seed: 7 });
  const [one, other] = await Promise.all([openPrompts(structuredClone(options)), openPrompts(options)]);
  for (const index of [0, 1, 17, 65_535, 65_536, 1_000_000]) {
    assert.deepEqual(one.prompt(index).messages, other.prompt(index).messages);
    assert.equal(one.prompt(index).maxTokens, other.prompt(index).maxTokens);
  }
});

void test("another seed gives other prompts, and another run the same words behind another nonce (vLLM's bench met its last run in the cache)", async () => {
  const [base, seed, run] = await Promise.all([
    openPrompts(synthetic()),
    openPrompts(synthetic({ seed: 2 })),
    openPrompts(synthetic({ run: "second" })),
  ]);
  const body = (text: string): string => text.slice(text.indexOf("\n\n"));
  const nonce = (text: string): string => text.slice(0, text.indexOf("\n\n"));
  for (let index = 0; index < 20; index++) {
    const text = base.prompt(index).text;
    assert.notEqual(body(seed.prompt(index).text), body(text));
    assert.equal(body(run.prompt(index).text), body(text));
    assert.notEqual(nonce(run.prompt(index).text), nonce(text));
  }
});

void test("each prompt begins with words of its own, so that no prefix cache helps", async () => {
  const prompts = await openPrompts(synthetic({ tokens: { mean: 40 }, count: 10 }));
  const beginnings = texts(prompts, 20_000).map((text) => text.split(" ", 4).join(" "));
  assert.equal(new Set(beginnings).size, 20_000);
  const first = new Set(beginnings.slice(0, 200).map((text) => text.split(" ", 1)[0]));
  assert.ok(first.size > 100, "neighbours differ from their first word on");
  assert.equal(prompts.described.nonce, true);
  assert.equal(prompts.described.shared_prefix, 0);
});

void test("without a nonce no two prompts begin alike until they come again", async () => {
  const prompts = await openPrompts(synthetic({ nonce: false, instruction: "", tokens: { mean: 30 } }));
  assert.equal(prompts.count, 65_536);
  const all = texts(prompts, 65_536);
  assert.equal(new Set(all).size, 65_536);
  assert.equal(prompts.prompt(65_536).text, all[0]);
  assert.equal(prompts.described.nonce, false);
});

void test("a shared prefix is common to the share of prompts that was asked for, at its length", async () => {
  const sharedPrefix = { groups: 4, tokens: 100, share: 0.5 };
  const prompts = await openPrompts(synthetic({ tokens: { mean: 200 }, sharedPrefix }));
  const all = texts(prompts, 4_000);
  const beginnings = new Map<string, number>();
  for (const text of all) {
    assert.equal(words(text), 200);
    const [beginning = ""] = text.split("\n\n", 1);
    beginnings.set(beginning, (beginnings.get(beginning) ?? 0) + 1);
  }
  const shared = [...beginnings].filter(([, times]) => times > 1);
  assert.deepEqual(
    shared.map(([text]) => words(text)),
    [100, 100, 100, 100],
  );
  const members = shared.reduce((sum, [, times]) => sum + times, 0);
  assert.ok(Math.abs(members - 2_000) < 160, `${members} members`);
  const [group] = shared[0]!;
  const afterGroup = all.filter((text) => text.startsWith(group)).map((text) => text.slice(group.length));
  assert.equal(new Set(afterGroup.map((text) => text.split(" ", 4).join(" "))).size, afterGroup.length);
  assert.equal(prompts.described.nonce, false);
  assert.equal(prompts.described.shared_prefix, 0.25);
});

void test("the texts that prompts share are another run's own", async () => {
  const sharedPrefix = { tokens: 50 };
  const [one, other] = await Promise.all(["one", "other"].map((run) => openPrompts(synthetic({ sharedPrefix, run }))));
  const begin = (prompts: PromptSet | undefined): string => prompts?.prompt(0).text.split(" ", 4).join(" ") ?? "";
  assert.notEqual(begin(one), begin(other));
  assert.equal(one?.prompt(0).text.split("\n\n")[0], one?.prompt(5).text.split("\n\n")[0]);
});

for (const family of ["llama3.1", "qwen3", "mistral-v3", "gemma3"]) {
  void test(`lengths are those of the tokenizer where one is given: ${family}`, async () => {
    await using tokenizer = await tokenizerFolder(family, "qwen3");
    const tokenizerId = tokenizer.folder;
    const measure = await openTokenMeasure(tokenizerId, { folder: "." });
    const bounds = { mean: 400, std: 40, min: 330, max: 470 };
    const prompts = await openPrompts(synthetic({ tokenizerId, tokens: bounds }));
    for (const text of texts(prompts, 50)) {
      const tokens = measure.countTokens(text);
      assert.ok(tokens >= bounds.min && tokens <= bounds.max, `${tokens} tokens`);
    }
  });
}

void test("a prompt longer than all its words goes on with them from the start", async () => {
  const prompts = await openPrompts(synthetic({ tokens: { mean: 150_000 } }));
  assert.equal(words(prompts.prompt(3).text), 150_000);
});

void test("options that no prompt can meet are refused with what they leave no room for", async () => {
  const refused: [PromptOptions, RegExp][] = [
    [synthetic({ tokens: { mean: 10 } }), /no room/],
    [synthetic({ tokens: { mean: 50, min: 60 } }), /mean outside/],
    [synthetic({ tokens: { mean: 50, min: 60, max: 20 } }), /min above its max/],
    [synthetic({ tokens: { mean: 100 }, sharedPrefix: { tokens: 95 } }), /no room/],
    [synthetic({ sharedPrefix: { tokens: 5 } }), /too short/],
    [{ ...synthetic(), maxTokens: 0 }, /./],
    [{ ...synthetic(), variance: 3 } as PromptOptions, /variance/],
  ];
  for (const [options, message] of refused) {
    await assert.rejects(openPrompts(options), (error) => {
      assert.ok(isTidingError(error) && error.code === "USAGE" && error.mend !== undefined);
      assert.match(error.message, message);
      return true;
    });
  }
});

void test("the report tells what was asked for, and a run that took prompts again is told so", async () => {
  const prompts = await openPrompts(
    synthetic({ tokens: { mean: 80, std: 10, max: 99 }, count: 100, maxTokens: { mean: 20, std: 5 }, seed: 9 }),
  );
  assert.deepEqual(prompts.described, {
    source:
      'synthetic: 100 prompts of 80 ± 10 (to 99) tokens, counting a word as a token, asked "Tell a very long story with these words:"; max_tokens 20 ± 5',
    seed: 9,
    count: 100,
    nonce: true,
    shared_prefix: 0,
    max_tokens: 20,
  });
  assert.deepEqual(prompts.notes(100), []);
  assert.deepEqual(prompts.notes(250), [
    "250 requests took 100 prompts in turn: a prompt came up to 3 times, each time with a nonce of its own.",
  ]);
});
