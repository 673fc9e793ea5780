import assert from "node:assert/strict";
import { test } from "node:test";
import { TidingError } from "../../../shared/errors.ts";
import { AlikeGuard } from "../../../worker/alike-guard.ts";
import { failedRow, type OutputRow } from "../../../worker/row-run.ts";

function failure(message: string): readonly OutputRow[] {
  const error = new TidingError("REQUEST_REJECTED", message);
  return [failedRow({ rowId: 0, values: {} }, { step: "text-generation", error, startedAtMs: 0 })];
}

function success(): readonly OutputRow[] {
  return failure("").map(({ values, engine }) => ({ values, engine: { ...engine, error_code: null } }));
}

void test("first rows that all fail alike stop the job, numbers in their messages apart", () => {
  const guard = new AlikeGuard(3, { settled: false });
  assert.equal(guard.sees(failure("token 17 is one too many")), false);
  assert.equal(guard.sees(failure("token 4 is one too many")), false);
  assert.equal(guard.settled, false);
  assert.equal(guard.sees(failure("token 251 is one too many")), true);
});

void test("one row that is accepted settles it", () => {
  const guard = new AlikeGuard(2, { settled: false });
  guard.sees(failure("no"));
  assert.equal(guard.sees(success()), false);
  assert.equal(guard.settled, true);
  assert.equal(guard.sees(failure("no")), false);
});

void test("failures of different kinds settle it", () => {
  const guard = new AlikeGuard(2, { settled: false });
  guard.sees(failure("too long"));
  assert.equal(guard.sees(failure("too short")), false);
  assert.equal(guard.settled, true);
});

void test("a limit of 0 never stops a job", () => {
  assert.equal(new AlikeGuard(0, { settled: false }).settled, true);
});
