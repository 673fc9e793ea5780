import assert from "node:assert/strict";
import { test } from "node:test";
import { EXIT, exitCodeOfError, exitCodeOfOutcome } from "../../../cli/exit-codes.ts";
import { EXIT_CODES_HELP } from "../../../cli/help.ts";
import { TidingError } from "../../../shared/errors.ts";

void test("each outcome of a job has its exit code", () => {
  assert.equal(exitCodeOfOutcome("finished"), 0);
  assert.equal(exitCodeOfOutcome("stopped"), 1);
  assert.equal(exitCodeOfOutcome("finished-with-failed-rows"), 3);
  assert.equal(exitCodeOfOutcome("parked"), 4);
  assert.equal(exitCodeOfOutcome("interrupted"), 130);
});

void test("an error's class decides between 1 and 2, and an abort is an interruption", () => {
  assert.equal(exitCodeOfError(new TidingError("SPEC_INVALID", "x")), 2);
  assert.equal(exitCodeOfError(new TidingError("OUTPUT_IN_USE", "x")), 2);
  assert.equal(exitCodeOfError(new TidingError("UNAUTHORIZED", "x")), 1);
  assert.equal(exitCodeOfError(new TidingError("DISK_FULL", "x")), 1);
  assert.equal(exitCodeOfError(new Error("x")), 1);
  assert.equal(exitCodeOfError(new DOMException("x", "AbortError")), 130);
});

void test("the help names every exit code", () => {
  const named = [...EXIT_CODES_HELP.matchAll(/^ {2}(\d+)/gm)].map((match) => Number(match[1]));
  assert.deepEqual(named, Object.values(EXIT));
});
