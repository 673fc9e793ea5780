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
 *
 * On the wire a record is the list of its values, names left out: two of every shard are written, a broker keeps one to the
 * job's end, and it holds in memory what its log's last block has, up to 8 MB.
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

const CommitRecordUnion = z.discriminatedUnion("type", [
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

export type CommitRecord = z.output<typeof CommitRecordUnion>;
export type RowsRecord = Extract<CommitRecord, { type: "rows" }>;

/** In the order of the wire. */
const FIELDS_OF_ALL = ["version", "type", "epoch", "nonce", "index", "size", "done", "lost", "suspect"];
const FIELDS_OF_ONE: Readonly<Record<CommitRecord["type"], readonly string[]>> = {
  open: ["worker"],
  rows: ["own", "batches", "bytes"],
  start: ["position"],
  release: [],
  reopen: [],
};
const TYPE = FIELDS_OF_ALL.indexOf("type");

const CommitRecordSchema = z.preprocess((message) => {
  const fields = Array.isArray(message) ? fieldsOf(message[TYPE]) : null;
  if (!Array.isArray(message) || fields?.length !== message.length) return message;
  return Object.fromEntries(fields.map((field, at): [string, unknown] => [field, message[at]]));
}, CommitRecordUnion);

function fieldsOf(type: unknown): readonly string[] {
  return [...FIELDS_OF_ALL, ...(FIELDS_OF_ONE[type as CommitRecord["type"]] ?? [])];
}

export function encodeCommitRecord(record: CommitRecord): Uint8Array {
  const values = new Map<string, unknown>(Object.entries(record));
  return encodeMessage(fieldsOf(record.type).map((field) => values.get(field)));
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
