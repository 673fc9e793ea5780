import assert from "node:assert/strict";
import { test } from "node:test";
import { TokenSum, type TokensOfRow } from "../../../../bench/job/accepted-tokens.ts";

function tokens(rows: readonly Partial<TokensOfRow>[]): number | null {
  const sum = new TokenSum();
  for (const row of rows) sum.add({ row_id: 0, output_tokens: null, calls: null, ...row });
  return sum.tokens;
}

function call(of: { step?: string; generation?: number; call?: number; asking?: number; tokens: number | null }) {
  const { step = "write", generation = 0, call: number = 0, tokens: output_tokens, ...asking } = of;
  return { step, generation, call: number, output_tokens, ...asking };
}

void test("rows of one plain call are added up, in whatever integers the format has", () => {
  assert.equal(
    tokens([
      { row_id: 0n, output_tokens: 12n },
      { row_id: 1, output_tokens: 30 },
    ]),
    42,
  );
});

void test("nothing is known where no answer said its tokens", () => {
  assert.equal(tokens([{ row_id: 0 }, { row_id: 1, calls: JSON.stringify([call({ tokens: null })]) }]), null);
  assert.equal(tokens([]), null);
});

void test("of a call that was asked again only the answer with the right form is in the row", () => {
  const calls = JSON.stringify([call({ tokens: 50 }), call({ tokens: 60, asking: 1 })]);
  assert.equal(tokens([{ output_tokens: 110, calls }]), 60);
});

void test("a call that several variants of a row came from counts once", () => {
  const first = call({ step: "ask", tokens: 100 });
  const variants = [0, 1].map((generation) => ({
    row_id: 3n,
    output_tokens: 120,
    calls: JSON.stringify([first, call({ step: "answer", generation, tokens: 20 })]),
  }));
  assert.equal(tokens(variants), 140);
  assert.equal(tokens([...variants, { row_id: 4n, output_tokens: 120, calls: variants[0]!.calls }]), 260);
});

void test("calls may come parsed, as from JSON Lines", () => {
  assert.equal(tokens([{ output_tokens: 30, calls: [call({ tokens: 10 }), call({ call: 1, tokens: 20 })] }]), 30);
});
