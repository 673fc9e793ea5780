/**
 * Records of a shard's commit log. Each is appended by compare-and-swap on the one before it, so that whoever lost the
 * shard meanwhile fails and stops.
 *
 *   open ──► rows ──► rows ──► … until every row is done
 *    ▲        │ start (a suspect row, run alone)
 *    │        └──► release (drained)      reopen (the reconciler takes back rows whose batch is gone)
 *    └── the next owner, whatever the last record was
 *
 * `done` is cumulative; a shard is closed by the record whose `done` is full. A row is committed when a `rows` record
 * names it and its result batch exists.
 */
import { z } from "zod";
import type { BlobRef } from "../transport/transport.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { PROTOCOL_VERSION } from "./version.ts";

const common = {
  version: z.literal(PROTOCOL_VERSION),
  /** Counts the shard's owners; with `nonce` it names one. */
  epoch: z.int().nonnegative(),
  nonce: z.string(),
  /** Position within what this owner wrote: it tells one's own append of unknown outcome from another's. */
  index: z.int().nonnegative(),
  /** Rows of the shard. */
  size: z.int().positive(),
  done: z.string(),
  /** Openings in a row that were lost before a single row was committed. Drained ones do not count. */
  lost: z.int().nonnegative(),
  /** The row that was last running alone when its owner was lost, and how often. */
  suspect: z.strictObject({ position: z.int().nonnegative(), times: z.int().positive() }).nullable(),
};

const CommitRecordSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("open"), worker: z.string(), ...common }),
  z.strictObject({
    type: z.literal("rows"),
    ...common,
    /** Positions in these batches. */
    own: z.string(),
    batches: z.array(z.string()).min(1),
    bytes: z.int().nonnegative(),
  }),
  z.strictObject({ type: z.literal("start"), ...common, position: z.int().nonnegative() }),
  z.strictObject({ type: z.literal("release"), ...common }),
  z.strictObject({ type: z.literal("reopen"), ...common }),
]);

export type CommitRecord = z.output<typeof CommitRecordSchema>;
export type RowsRecord = Extract<CommitRecord, { type: "rows" }>;

export function encodeCommitRecord(record: CommitRecord): Uint8Array {
  return encodeMessage(record);
}

/** Throws `STORE_DAMAGED` for a body that is no record of this protocol version. */
export function decodeCommitRecord(body: Uint8Array): CommitRecord {
  return decodeMessage(CommitRecordSchema, body, {
    code: "STORE_DAMAGED",
    what: "A commit record",
    mend: "Finish this output with the version of Tiding that began it.",
  });
}

export function batchRefs(record: RowsRecord): readonly BlobRef[] {
  return record.batches as unknown as readonly BlobRef[];
}
