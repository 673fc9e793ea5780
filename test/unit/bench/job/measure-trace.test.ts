import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { laterAnswerMs, TraceTally } from "../../../../bench/job/measure-trace.ts";
import { LineFile, lineOf, readTrace, type TraceEvent } from "../../../../bench/job/request-trace.ts";

let numbers = 0;

function began(atMs: number, key: string, seed: string | null = "7"): TraceEvent & { kind: "began" } {
  return { kind: "began", number: numbers++, atMs, shape: 0, key, seed };
}

function ended(
  { number }: { readonly number: number },
  atMs: number,
  status: number,
  tokens: readonly [number | null, number | null] = [null, null],
): TraceEvent {
  return { kind: "ended", number, atMs, status, promptTokens: tokens[0], outputTokens: tokens[1] };
}

void test("what was refused, what broke and what was answered are told apart, and all tokens of answers count", () => {
  const tally = new TraceTally({ beganMs: 0, slots: 2 });
  const [refused, broken, answered, misfit] = [began(0, "a"), began(0, "b"), began(20, "a"), began(30, "b", "8")];
  const events = [
    refused,
    broken,
    ended(refused, 10, 429),
    answered,
    ended(broken, 20, 0),
    misfit,
    ended(misfit, 50, 200, [11, 40]),
    ended(answered, 60, 200, [12, 30]),
  ];
  for (const event of events) tally.add(event);
  const found = tally.finish(100);
  assert.deepEqual(
    { requests: found.requests, answers: found.answers, refused: found.refused, errors: found.errors },
    { requests: 4, answers: 2, refused: 1, errors: 1 },
  );
  assert.equal(found.outputTokens, 70);
  assert.equal(found.promptTokens, 23);
  assert.equal(found.withoutTokens, 0);
});

void test("asked again with another seed is asked again: the tail does not begin anew with it", () => {
  const tally = new TraceTally({ beganMs: 0, slots: 2 });
  const [first, second] = [began(0, "a"), began(0, "b")];
  const again = began(60, "b", "8");
  for (const event of [first, second, ended(first, 40, 200), ended(second, 50, 200), again, ended(again, 90, 200)])
    tally.add(event);
  assert.equal(tally.finish(100).drainMs, 50, "from 40, the first idle slot, to 90");
});

void test("an answer that does not say its tokens is counted as such", () => {
  const tally = new TraceTally({ beganMs: 0, slots: 1 });
  const only = began(0, "a");
  for (const event of [only, ended(only, 10, 200, [5, null])]) tally.add(event);
  const found = tally.finish(10);
  assert.deepEqual([found.withoutTokens, found.outputTokens, found.promptTokens], [1, 0, 5]);
});

void test("a trace file gives back what was written, without the line that a kill cut", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-trace-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = path.join(folder, "trace");
  const one = { ...began(81_234_567.1234, "0123456789abcdef", null), number: 0 };
  const events: TraceEvent[] = [one, ended(one, 81_234_600, 200, [null, 120]), ended(one, 81_234_601.5, 0)];
  {
    using lines = new LineFile(file);
    for (const event of events) lines.add(lineOf(event));
  }
  await writeFile(file, "s 9 8123", { flag: "a" });
  const read: TraceEvent[] = [];
  for await (const event of readTrace(file)) read.push(event);
  assert.deepEqual(read, [{ ...one, atMs: 81_234_567.123 }, ...events.slice(1)]);
});

void test("the time of an answer is that of the later requests, which met warm connections", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-trace-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = path.join(folder, "trace");
  {
    using lines = new LineFile(file);
    for (const [number, tookMs, status] of [
      [0, 900, 200],
      [1, 700, 200],
      [2, 100, 200],
      [3, 120, 200],
      [4, 5, 429],
    ] as const) {
      const start = { ...began(1_000 * number, "a"), number };
      lines.add(lineOf(start));
      lines.add(lineOf(ended(start, 1_000 * number + tookMs, status)));
    }
  }
  assert.equal(await laterAnswerMs(file, 4), 110);
  assert.equal(await laterAnswerMs(file, 10), null);
});

void test("an unbuffered trace is in the file line by line", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-trace-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = path.join(folder, "trace");
  using lines = new LineFile(file, { unbuffered: true });
  lines.add(lineOf(began(1, "a")));
  const read: TraceEvent[] = [];
  for await (const event of readTrace(file)) read.push(event);
  assert.equal(read.length, 1);
});
