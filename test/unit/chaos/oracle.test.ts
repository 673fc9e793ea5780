/** The checker is checked: each kind of fault, planted in an otherwise whole dataset, must be found. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestLogEntry } from "../../../bench/simulator/request-log.ts";
import { checkDataset, checkRequests, type DatasetFile } from "../../chaos/oracle.ts";

const expected = { rows: 4, questionOf: (id: number) => `q${id}`, answerOf: (id: number) => `a${id}` };

function row(rowId: number) {
  return { rowId, question: `q${rowId}`, answer: `a${rowId}: …` };
}

function files(...rows: readonly (readonly ReturnType<typeof row>[])[]): DatasetFile[] {
  return rows.map((part, index) => ({ name: `train-${index}`, rows: part }));
}

void test("a whole dataset has no fault", () => {
  assert.deepEqual(checkDataset(files([row(0), row(1)], [row(2), row(3)]), expected), []);
});

const faulty: readonly (readonly [string, DatasetFile[], RegExp])[] = [
  ["a missing row", files([row(0), row(1), row(3)]), /row 2 is missing/],
  ["a row that is there twice", files([row(0), row(1), row(1), row(2), row(3)]), /row 1 is there 2 times/],
  [
    "a row with another's answer",
    files([row(0), { ...row(1), answer: "a2" }, row(2), row(3)]),
    /row 1 .* another's answer/,
  ],
  [
    "a row with another's input",
    files([row(0), { ...row(1), question: "q2" }, row(2), row(3)]),
    /row 1 .* another row's input/,
  ],
  ["rows out of order", files([row(2), row(3)], [row(0), row(1)]), /row 0 .* comes after row 3/],
  ["a row of no input", files([row(0), row(1), row(2), row(3), row(4)]), /row 4 .* none of the input/],
];

for (const [what, dataset, fault] of faulty) {
  void test(`${what} is found`, () => {
    assert.match(checkDataset(dataset, expected).join("\n"), fault);
  });
}

function request(key: string, startMs: number): RequestLogEntry {
  return {
    key,
    startMs,
    endMs: startMs + 1,
    status: 200,
    outcome: "ok",
    nth: 0,
    seed: 0,
    inFlight: 1,
    route: "chat",
    stream: false,
  };
}

const rowOf = (key: string) => (key === "?" ? undefined : Number(key));
const death = (atMs: number, ...committed: readonly number[]) => ({ atMs, committed: new Set(committed) });

void test("answers that were not committed may be paid again, and are counted", () => {
  const requests = [request("0", 0), request("1", 1), request("1", 11)];
  const checked = checkRequests(requests, [death(10, 0)], rowOf);
  assert.deepEqual([checked.violations, checked.paidTwice, checked.uncommitted], [[], 1, 1]);
});

void test("a committed row that is requested again is found", () => {
  const checked = checkRequests([request("0", 0), request("0", 11)], [death(10, 0)], rowOf);
  assert.match(checked.violations.join("\n"), /row 0, committed at death 0, was requested again/);
});

void test("two answers to one row within one life are found", () => {
  assert.match(checkRequests([request("0", 0), request("0", 1)], [], rowOf).violations.join("\n"), /answered twice/);
});

void test("a commit that is taken back is found", () => {
  assert.match(
    checkRequests([], [death(10, 0), death(20)], rowOf).violations.join("\n"),
    /row 0 was committed at death 0 and is not/,
  );
});

void test("a request that belongs to no row is found", () => {
  assert.match(checkRequests([request("?", 0)], [], rowOf).violations.join("\n"), /about no row/);
});
