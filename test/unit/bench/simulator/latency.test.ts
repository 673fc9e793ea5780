import assert from "node:assert/strict";
import { test } from "node:test";
import { hashText } from "../../../../bench/simulator/hash.ts";
import { latencyMs } from "../../../../bench/simulator/latency.ts";
import type { LatencyOptions } from "../../../../bench/simulator/latency.ts";

const HASHES = Array.from({ length: 20_000 }, (_, index) => hashText(`prompt ${index}`));
const plain = { medianMs: 100, sigma: 0.5, stragglers: { share: 0, factor: 10 } };

function sorted(options: LatencyOptions): number[] {
  return HASHES.map((hash) => latencyMs(hash, options)).toSorted((a, b) => a - b);
}

function assertNear(found: number | undefined, expected: number, tolerance: number): void {
  assert.ok(found !== undefined && Math.abs(found / expected - 1) < tolerance, `${found} is not near ${expected}`);
}

void test("a prompt takes the same time every time", () => {
  const options = { ...plain, distribution: "lognormal" } as const;
  assert.equal(latencyMs(hashText("a prompt"), options), latencyMs(hashText("a prompt"), options));
});

void test("without a distribution, or with a median of 0, an answer takes no time", () => {
  assert.equal(latencyMs(HASHES[0]!, { ...plain, distribution: "none" }), 0);
  assert.equal(latencyMs(HASHES[0]!, { ...plain, distribution: "fixed", medianMs: 0 }), 0);
});

void test("lognormal times have the median and the spread asked for", () => {
  const times = sorted({ ...plain, distribution: "lognormal" });
  assertNear(times[10_000], 100, 0.03);
  assertNear(times[16_827], 100 * Math.exp(0.5), 0.05); // One standard deviation: 84.13 %.
  assertNear(times[3_173], 100 * Math.exp(-0.5), 0.05);
});

void test("uniform times fill the range asked for", () => {
  const times = sorted({ ...plain, distribution: "uniform" });
  assertNear(times[0], 50, 0.01);
  assertNear(times[10_000], 100, 0.03);
  assertNear(times.at(-1), 150, 0.01);
});

void test("stragglers are as many and as slow as asked", () => {
  const times = sorted({ ...plain, distribution: "fixed", stragglers: { share: 0.05, factor: 10 } });
  assert.deepEqual(new Set(times), new Set([100, 1000]));
  assertNear(times.filter((time) => time === 1000).length, 1000, 0.1);
});
