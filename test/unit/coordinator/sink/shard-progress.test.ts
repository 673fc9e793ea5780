import assert from "node:assert/strict";
import { test } from "node:test";
import { ShardProgress, type BatchPlace } from "../../../../coordinator/sink/shard-progress.ts";
import { Bitmap } from "../../../../shared/rows/bitmap.ts";
import type { BlobRef } from "../../../../shared/transport/transport.ts";

function progressOf(size: number): ShardProgress {
  return new ShardProgress({ shard: 0, firstRow: 0, received: new Bitmap(size), nowMs: 0 });
}

function rows(...positions: readonly number[]): Bitmap {
  const bitmap = new Bitmap(4);
  for (const position of positions) bitmap.add(position);
  return bitmap;
}

const stored = (ref: string): BatchPlace => ({ kind: "stored", ref: ref as BlobRef, bytes: 1 });
const spilled = (offset: number): BatchPlace => ({ kind: "spilled", file: "spill", offset, packedBytes: 1, bytes: 1 });
const freshOf = (progress: ShardProgress) => progress.pieces.map(({ fresh }) => [...fresh]);

void test("a row that two spilled batches bring is taken from the first", () => {
  const progress = progressOf(4);
  progress.restore(rows(0, 1), spilled(0));
  progress.restore(rows(1, 2), spilled(1));
  progress.restore(rows(0, 2), spilled(2));
  assert.deepEqual(freshOf(progress), [[0, 1], [2]]);
});

void test("a batch that was taken back, and then turns out to be lost, takes nothing from the one that came for it", () => {
  const progress = progressOf(4);
  progress.add(rows(0, 1), [stored("a")]);
  const [lost] = progress.pieces;
  assert.ok(lost !== undefined);
  progress.takeBack(rows());
  progress.add(rows(0, 1), [stored("b")]);
  progress.lose(lost);
  assert.deepEqual([...progress.received], [0, 1]);
  assert.deepEqual(freshOf(progress), [[0, 1]]);
});

void test("a copy stays as it is when rows are taken back", () => {
  const progress = progressOf(4);
  progress.add(rows(0, 1, 2, 3), [stored("a")]);
  const copy = progress.copy();
  progress.takeBack(rows());
  assert.deepEqual([progress.isComplete, progress.pieces.length], [false, 0]);
  assert.deepEqual([copy.isComplete, copy.pieces.length], [true, 1]);
});
