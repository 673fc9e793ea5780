import assert from "node:assert/strict";
import { test } from "node:test";
import { differences, worstOf } from "../../../../bench/engine/truth/differences.ts";

type Given = Readonly<Record<string, number | null>>;

function shareOf(name: string, measured: number | null, truth: number | null, exactCounts = true): number {
  const [one] = differences(new Map([[name, measured]]), new Map([[name, truth]]), { exactCounts });
  return one!.share;
}

void test("times may be off by 2 %, or by a millisecond where that is more", () => {
  assert.equal(shareOf("ttft_service.p90", 510, 500), 1);
  assert.equal(shareOf("client_lag.mean", 0.5, 0), 0.5);
  assert.equal(shareOf("itl.p99", 21, 20), 1);
  assert.ok(shareOf("ttft_response.mean", 1_030, 1_000) > 1);
});

void test("rates, shares and tokens may be off by 2 %, and by nothing where the truth is none", () => {
  assert.equal(shareOf("throughput.req_s", 102, 100), 1);
  assert.equal(shareOf("output_tokens.mean", 61, 61), 0);
  assert.equal(shareOf("throughput.error_rate", 0.01, 0), Infinity);
  assert.ok(shareOf("itl.n", 103, 100) > 1);
});

void test("outcomes are the very same where a schedule says what is sent, and may be off by one where answers do", () => {
  assert.equal(shareOf("counts.ok", 99, 100), Infinity);
  assert.equal(shareOf("counts.errors", 4, 3, false), 1);
});

void test("a figure that only one side knows is too far, and a count that is missing is none", () => {
  const found = (measured: Given, truth: Given) =>
    differences(new Map(Object.entries(measured)), new Map(Object.entries(truth)), { exactCounts: true });
  assert.deepEqual(
    found({ "ttft_service.p99": 5 }, { "ttft_service.p99": null }).map(({ share }) => share),
    [Infinity],
  );
  assert.deepEqual(
    found({}, { "e2e_service.mean": 5 }).map(({ share }) => share),
    [Infinity],
  );
  assert.deepEqual(
    found({ "counts.by_error.reset": 0 }, {}).map(({ share }) => share),
    [0],
  );
  const worst = worstOf(found({ "itl.mean": 20.5, "tpot.mean": 20.2 }, { "itl.mean": 20, "tpot.mean": 20 }));
  assert.equal(worst.name, "itl.mean");
});
