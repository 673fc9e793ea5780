import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeCommitRecord, type CommitRecord } from "../../../shared/protocol/commit-record.ts";
import { PROTOCOL_VERSION } from "../../../shared/protocol/version.ts";
import { Bitmap } from "../../../shared/rows/bitmap.ts";
import type { Position } from "../../../shared/transport/transport.ts";
import { ShardHistory } from "../../chaos/shard-history.ts";

type Own = {
  [Type in CommitRecord["type"]]: Omit<Extract<CommitRecord, { type: Type }>, keyof typeof common | "done">;
}[CommitRecord["type"]];

const common = { version: PROTOCOL_VERSION, epoch: 1, nonce: "n", index: 0, size: 4, lost: 0, suspect: null } as const;

function read(history: ShardHistory, atMs: number, record: Own, done: readonly number[]): void {
  const bitmap = new Bitmap(4);
  for (const position of done) bitmap.add(position);
  const body = encodeCommitRecord({ ...common, done: bitmap.toText(), ...record });
  history.read({ job: "job", shard: 0, position: String(atMs) as Position, body }, atMs);
}

const rows: Own = { type: "rows", own: "", batches: ["b"], bytes: 1 };

void test("each opening begins an ownership, and ends the one before it as lost", () => {
  const history = new ShardHistory();
  read(history, 1, { type: "open", worker: "one" }, []);
  read(history, 2, rows, [0]);
  assert.ok(history.isWorking((worker) => worker === "one"));
  read(history, 3, { type: "open", worker: "two" }, [0]);
  assert.ok(!history.isWorking((worker) => worker === "one"));
  read(history, 4, rows, [0, 1, 2, 3]);
  const told = history.ownershipsOf(0).map(({ worker, done, end }) => [worker, done.count, end?.how, end?.atMs]);
  assert.deepEqual(told, [
    ["one", 1, "lost", 3],
    ["two", 4, "closed", 4],
  ]);
  assert.equal(history.committed, 4);
});

void test("what is handed back is no loss, and an entry that comes again counts once", () => {
  const history = new ShardHistory();
  read(history, 1, { type: "open", worker: "one" }, []);
  read(history, 2, { type: "release" }, []);
  read(history, 3, { type: "open", worker: "two" }, []);
  read(history, 4, { type: "reopen" }, []);
  read(history, 3, { type: "open", worker: "two" }, []);
  assert.deepEqual(
    history.ownershipsOf(0).map(({ end }) => end?.how),
    ["released", "reopened"],
  );
  assert.equal(history.reopenings, 1);
});
