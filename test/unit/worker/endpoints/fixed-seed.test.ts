import assert from "node:assert/strict";
import { test } from "node:test";
import { deriveSeed } from "../../../../shared/spec/seed.ts";
import { seedUnderFixed } from "../../../../worker/endpoints/fixed-seed.ts";

const key = { jobSeed: 5, row: 7, step: 0, generation: 0, turn: 0, call: 0, answerAttempt: 0 };

void test("a fixed seed is used as it is for first answers, one more for each generation, in every row and turn", () => {
  assert.equal(seedUnderFixed(key, 0), 5);
  assert.equal(seedUnderFixed({ ...key, row: 8, step: 1, turn: 3, call: 6 }, 0), 5);
  assert.deepEqual(
    [1, 2].map((generation) => seedUnderFixed({ ...key, generation }, generation)),
    [6, 7],
  );
  assert.equal(seedUnderFixed({ ...key, jobSeed: 0 }, 0), 0);
});

void test("after an answer that was no use a seed derives from the fixed one, never the same twice", () => {
  const seeds = new Set<number>();
  for (const row of [0, 1]) {
    for (const generation of [0, 1]) {
      for (const answerAttempt of [1, 2, 1_000])
        seeds.add(seedUnderFixed({ ...key, row, generation, answerAttempt }, generation));
    }
  }
  assert.equal(seeds.size, 12);
  assert.equal(seedUnderFixed({ ...key, answerAttempt: 1 }, 0), deriveSeed({ ...key, answerAttempt: 1 }));
  assert.notEqual(
    seedUnderFixed({ ...key, answerAttempt: 1 }, 0),
    seedUnderFixed({ ...key, jobSeed: 6, answerAttempt: 1 }, 0),
  );
});
