import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
  formatRate,
  formatShare,
} from "../../../cli/format.ts";

const cases: readonly (readonly [shown: string, expected: string])[] = [
  [formatCount(1_234_567), "1,234,567"],
  [formatCounted(1, "row"), "1 row"],
  [formatCounted(0, "row"), "0 rows"],
  [formatRate(0), "0"],
  [formatRate(0.254), "0.25"],
  [formatRate(7.46), "7.5"],
  [formatRate(1_234.4), "1,234"],
  [formatShare(0.4567), "45.6%"],
  [formatShare(1), "100.0%"],
  [formatBytes(0), "0 bytes"],
  [formatBytes(1), "1 byte"],
  [formatBytes(999), "999 bytes"],
  [formatBytes(1_000), "1 kB"],
  [formatBytes(999_960), "1 MB"],
  [formatBytes(12_345_678), "12.3 MB"],
  [formatDuration(0), "0ms"],
  [formatDuration(812), "812ms"],
  [formatDuration(999.7), "1s"],
  [formatDuration(1_234), "1.2s"],
  [formatDuration(83_400), "1m 23s"],
  [formatDuration(59_700), "1m"],
  [formatDuration(3_599_700), "1h"],
  [formatDuration(12_000_000), "3h 20m"],
  [formatDuration(180_000_000), "2d 2h"],
];

void test("counts, rates, shares, bytes and durations are shown as people write them", () => {
  for (const [shown, expected] of cases) assert.equal(shown, expected);
});

void test("a share below all is never shown as 100%", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000_000 }), (total) => formatShare((total - 1) / total) !== "100.0%"),
  );
});

void test("every duration has a text, of two units at most", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), (milliseconds) =>
      /^[\d.,]+(ms|s|m|h|d)( \d+(s|m|h))?$/.test(formatDuration(milliseconds)),
    ),
  );
});
