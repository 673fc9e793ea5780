import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import { DistributionTally } from "../../../../bench/metrics/distribution.ts";
import { Distribution } from "../../../../bench/report/bench-report.ts";

function tallied(values: readonly number[]): DistributionTally {
  const tally = new DistributionTally();
  for (const value of values) tally.record(value);
  return tally;
}

function near(actual: number | null, expected: number, tolerance = 1e-9): void {
  assert.ok(
    actual !== null && Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)),
    `${actual} is not ${expected}`,
  );
}

void test("an empty distribution has nothing but its count", () => {
  const { hdr, ...rest } = new DistributionTally().report();
  assert.deepEqual(rest, {
    n: 0,
    mean: null,
    std: null,
    min: null,
    max: null,
    p50: null,
    p90: null,
    p95: null,
    p99: null,
    p999: null,
  });
  assert.notEqual(hdr, "");
});

void test("the standard deviation is the root of the variance (inference-benchmarker took the variance for it)", () => {
  const report = tallied([2, 4, 4, 4, 5, 5, 7, 9]).report();
  near(report.mean, 5);
  near(report.std, 2);
  assert.equal(report.min, 2);
  assert.equal(report.max, 9);
});

void test("a spread of microseconds around a long time is not lost in its square", () => {
  near(tallied([3_600_000, 3_600_000.002]).report().std, 0.001, 1e-6);
});

void test("percentiles are null until their samples carry them (peers print a p99 of ten requests)", () => {
  const known = (n: number) => {
    const { p50, p90, p95, p99, p999 } = tallied(Array.from({ length: n }, (_, index) => index)).report();
    return [p50, p90, p95, p99, p999].map((percentile) => percentile !== null);
  };
  assert.deepEqual(known(4), [false, false, false, false, false]);
  assert.deepEqual(known(5), [true, false, false, false, false]);
  assert.deepEqual(known(19), [true, false, false, false, false]);
  assert.deepEqual(known(20), [true, true, false, false, false]);
  assert.deepEqual(known(50), [true, true, true, false, false]);
  assert.deepEqual(known(999), [true, true, true, false, false]);
  assert.deepEqual(known(1_000), [true, true, true, true, false]);
  assert.deepEqual(known(10_000), [true, true, true, true, true]);
});

void test("percentiles are those of the sorted samples to three digits", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1e7, noNaN: true }), { minLength: 50, maxLength: 400 }), (values) => {
      const report = tallied(values).report();
      const sorted = values.toSorted((a, b) => a - b);
      for (const [percentile, found] of [
        [0.5, report.p50],
        [0.9, report.p90],
        [0.95, report.p95],
      ] as const) {
        const exact = sorted[Math.ceil(percentile * sorted.length) - 1]!;
        assert.ok(Math.abs(found! - exact) <= 0.001 * exact + 0.001, `${found} is not ${exact}`);
      }
      assert.deepEqual(Distribution.parse(report), report);
    }),
  );
});

void test("a weight counts as so many samples, fractions over samples included", () => {
  const tally = new DistributionTally();
  for (let event = 0; event < 100; event += 1) tally.recordWeighted(event < 60 ? 10 : 20, 1.25);
  const report = tally.report();
  assert.equal(report.n, 125);
  assert.equal(decodeFromCompressedBase64(report.hdr).totalCount, 125);
  near(report.mean, 14);
  near(report.std, Math.sqrt(24));
  near(report.p50, 10, 0.001);
  near(report.p90, 20, 0.001);
});

void test("parts that are encoded, sent, decoded and merged are the whole", () => {
  const parts = fc.array(fc.array(fc.double({ min: 0, max: 1e5, noNaN: true }), { maxLength: 60 }), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(parts, (values) => {
      const merged = new DistributionTally();
      for (const part of values) merged.merge(DistributionTally.decode(structuredClone(tallied(part).encode())));
      const [found, whole] = [merged.report(), tallied(values.flat()).report()];
      for (const key of ["n", "min", "max", "p50", "p90", "p95", "p99"] as const)
        assert.equal(found[key], whole[key], key);
      if (whole.mean !== null) near(found.mean, whole.mean);
      if (whole.std !== null) near(found.std, whole.std, 1e-6);
    }),
  );
});

void test("a decoded part takes in longer times than it had seen", () => {
  const tally = DistributionTally.decode(tallied([1, 2]).encode());
  tally.record(86_400_000);
  tally.record(0);
  tally.record(3);
  assert.equal(tally.report().max, 86_400_000);
  assert.equal(tally.report().p50, 2);
});
