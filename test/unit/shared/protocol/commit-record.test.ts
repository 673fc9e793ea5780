import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeCommitRecord,
  encodeCommitRecord,
  type CommitRecord,
} from "../../../../shared/protocol/commit-record.ts";
import { encodeMessage } from "../../../../shared/protocol/message.ts";
import { PROTOCOL_VERSION } from "../../../../shared/protocol/version.ts";
import { Bitmap } from "../../../../shared/rows/bitmap.ts";
import { isTidingError } from "../../../../shared/errors.ts";

const common = {
  version: PROTOCOL_VERSION,
  epoch: 2,
  nonce: "sixteen-letters-",
  index: 1,
  size: 256,
  done: Bitmap.full(256).toText(),
  lost: 1,
  suspect: { position: 3, times: 2 },
} as const;

const records: readonly CommitRecord[] = [
  { type: "open", worker: "host-1", ...common },
  { type: "rows", own: "AQ", batches: ["blob:1", "blob:2"], bytes: 70_000, ...common },
  { type: "start", position: 9, ...common },
  { type: "release", ...common, suspect: null },
  { type: "reopen", ...common },
];

for (const record of records) {
  void test(`a record survives the wire: ${record.type}`, () => {
    assert.deepEqual(decodeCommitRecord(encodeCommitRecord(record)), record);
  });
}

void test("a record of a whole shard takes 72 bytes at most", () => {
  const rows: CommitRecord = {
    ...common,
    suspect: null,
    type: "rows",
    own: common.done,
    batches: ["0123456789abcdef:12345"],
    bytes: 70_000,
  };
  assert.ok(encodeCommitRecord(rows).byteLength <= 72, `${encodeCommitRecord(rows).byteLength} bytes`);
});

void test("a record with a value too many, too few or of another kind is refused", () => {
  const list = [PROTOCOL_VERSION, "release", 1, "nonce", 0, 4, "", 0, null];
  assert.equal(decodeCommitRecord(encodeMessage(list)).type, "release");
  for (const bad of [[...list, 0], list.slice(0, -1), list.with(1, "other"), list.with(2, -1), [], "text", null]) {
    assert.throws(() => decodeCommitRecord(encodeMessage(bad)), isDamage(/does not have the form of protocol/));
  }
});

void test("a record of another protocol is refused by its version", () => {
  const { version } = common;
  for (const other of [[version + 1, "open"], { version: version + 1 }]) {
    assert.throws(
      () => decodeCommitRecord(encodeMessage(other)),
      isDamage(new RegExp(`is of protocol ${version + 1}`)),
    );
  }
});

function isDamage(message: RegExp): (error: unknown) => boolean {
  return (error) => isTidingError(error) && error.code === "STORE_DAMAGED" && message.test(error.message);
}
