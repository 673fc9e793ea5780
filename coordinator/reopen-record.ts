import { encodeCommitRecord, type CommitRecord } from "../shared/protocol/commit-record.ts";
import { PROTOCOL_VERSION } from "../shared/protocol/version.ts";
import type { Bitmap } from "../shared/rows/bitmap.ts";

/** Takes back rows that are committed but were never received: whoever runs the shard is fenced, the rows are to be run again. */
export function reopenRecord(tail: CommitRecord, received: Bitmap): Uint8Array {
  return encodeCommitRecord({
    type: "reopen",
    version: PROTOCOL_VERSION,
    epoch: tail.epoch + 1,
    nonce: "reconciler",
    index: 0,
    size: tail.size,
    done: received.toText(),
    lost: tail.lost,
    suspect: tail.suspect,
  });
}
