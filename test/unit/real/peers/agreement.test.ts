import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../../../real/peers/agreement.ts";

void test("what is apart by less than the runs' spread agrees, and the spread is told", () => {
  const { verdict, difference, spread } = judge([100, 104, 98, 102, 101], [103, 101, 102, 106, 98]);
  assert.equal(verdict, "agrees");
  assert.equal(difference, 1);
  // Differences 3, -3, 4, 4, -3: standard deviation 3.674, and t of 4.604 for four degrees of freedom.
  assert.ok(Math.abs(spread - 7.566) < 0.01, `${spread}`);
});

void test("runs are compared round by round: a machine that slows down for both does not hide what is always there", () => {
  const ours = [100, 150, 200, 250, 300];
  const theirs = ours.map((value) => value + 8);
  assert.equal(judge(ours, theirs).verdict, "differs");
});

void test("a steady difference of up to two per cent is none", () => {
  const ours = [100, 100, 100];
  assert.equal(judge(ours, [101.9, 101.9, 101.9]).verdict, "agrees");
  assert.equal(judge(ours, [97.9, 97.9, 97.9]).verdict, "differs");
});

void test("runs so far apart that anything would agree are not called agreement", () => {
  assert.equal(judge([100, 160, 90, 140, 110], [130, 95, 150, 100, 120]).verdict, "unclear");
  // Even when the means happen to be the same.
  assert.equal(judge([50, 150, 100], [150, 50, 100]).verdict, "unclear");
});

void test("a value that a tool left out agrees with nothing", () => {
  assert.notEqual(judge([10, 10, 10], [10, NaN, 10]).verdict, "agrees");
});

void test("one run has no spread, and unlike numbers of runs have no rounds", () => {
  assert.throws(() => judge([1], [1]), RangeError);
  assert.throws(() => judge([1, 2], [1, 2, 3]), RangeError);
});
