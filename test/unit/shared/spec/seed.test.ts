import assert from "node:assert/strict";
import { test } from "node:test";
import { deriveSeed } from "../../../../shared/spec/seed.ts";
import type { SeedKey } from "../../../../shared/spec/seed.ts";

const zero: SeedKey = { jobSeed: 42, row: 0, step: 0, generation: 0, turn: 0, call: 0, answerAttempt: 0 };

void test("known seeds never change", () => {
  const seed = (change: Partial<SeedKey>) => deriveSeed({ ...zero, ...change });
  assert.equal(seed({}), 7657200507926930);
  assert.equal(seed({ row: 1 }), 5100982797386442);
  assert.equal(seed({ row: 2 ** 32 }), 8022007955397148);
  assert.equal(seed({ row: 2 ** 53 - 1 }), 8818763966235087);
  assert.equal(seed({ jobSeed: 2 ** 53 - 1 }), 4741844403989135);
  assert.equal(seed({ step: 1 }), 510751747820350);
  assert.equal(seed({ generation: 1 }), 4683497358526692);
  assert.equal(seed({ turn: 1 }), 4023350530575976);
  assert.equal(seed({ call: 1 }), 7640164613844931);
  assert.equal(seed({ call: -1 }), 3781379091071290);
  assert.equal(seed({ answerAttempt: 1 }), 7409799127686622);
});

void test("neighbouring keys give different seeds, spread evenly over 0 to 2^53-1", () => {
  const seen = new Set<number>();
  const ones = Array.from({ length: 53 }, () => 0);
  for (let row = 0; row < 1_000; row++) {
    for (let generation = 0; generation < 5; generation++) {
      for (let call = 0; call < 4; call++) {
        const seed = deriveSeed({ ...zero, row, generation, call });
        assert.ok(Number.isSafeInteger(seed) && seed >= 0);
        seen.add(seed);
        for (const bit of ones.keys()) ones[bit] = (ones[bit] ?? 0) + (Math.floor(seed / 2 ** bit) % 2);
      }
    }
  }
  assert.equal(seen.size, 20_000);
  for (const [bit, count] of ones.entries()) assert.ok(Math.abs(count / 20_000 - 0.5) < 0.02, `bit ${bit}: ${count}`);
});
