import assert from "node:assert/strict";
import { test } from "node:test";
import { dollarsFor, stepPrices } from "../../../../bench/plan/prices.ts";
import { isTidingError } from "../../../../shared/errors.ts";

void test("one price is for all steps, a step's own wins, and others have the general one", () => {
  assert.deepEqual(stepPrices({ input: 0.15, output: 0.6 }, ["write", "judge"]), [
    { input: 0.15, output: 0.6 },
    { input: 0.15, output: 0.6 },
  ]);
  assert.deepEqual(stepPrices({ input: 1, output: { "*": 0.6, judge: 2 } }, ["write", "judge"]), [
    { input: 1, output: 0.6 },
    { input: 1, output: 2 },
  ]);
  assert.deepEqual(stepPrices({ output: { judge: 2 } }, ["write", "judge"]), [null, { input: 0, output: 2 }]);
});

void test("a price for a step that there is not is refused", () => {
  assert.throws(
    () => stepPrices({ output: { jugde: 2 } }, ["write", "judge"]),
    (error: unknown) => isTidingError(error) && error.code === "USAGE" && error.place === "--price-out",
  );
});

void test("prices are for a million tokens", () => {
  assert.equal(dollarsFor({ input: 0.5, output: 2 }, { inputTokens: 2_000_000, outputTokens: 500_000 }), 2);
  assert.equal(dollarsFor(null, { inputTokens: 2_000_000, outputTokens: 500_000 }), 0);
});
