/**
 * One record of the write-ahead log, as bytes.
 *
 *   0 crc32 of all that follows   4 body length   8 lsn (48 bit)   14 number (48 bit)   20 shard   24 type   25 key length
 *   26 key (a job, or a name in the state store), then the body
 *
 * A frame keeps its bytes for life: compaction moves it as it is, so its LSN and checksum identify it everywhere.
 */

import { crc32 } from "node:zlib";

/** The largest body of a record, and so of every message of the embedded transport. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** Stands for every shard of the job in `drop-entries` and `drop-blobs`. */
export const ALL_SHARDS = 0xffff_ffff;
/** In the first frame of every segment: files of another format are refused. */
export const FORMAT_VERSION = 1;

/** Of a frame without key and body, such as a segment's first. */
export const HEADER_BYTES = 26;
const TYPES = ["segment", "opening", "entry", "blob", "state", "drop-entries", "drop-blobs"] as const;

/**
 * - `segment` opens every file; its LSN is the next one to be given, its number the format version
 * - `opening` says that from this LSN on, records carry this number
 * - `entry`, `blob`, `state` hold what their names say; their number is that of the opening they were written in
 * - `drop-entries` and `drop-blobs` end everything of the shard whose LSN is below their number
 */
export type FrameType = (typeof TYPES)[number];

export interface FrameFields {
  readonly type: FrameType;
  readonly key: string;
  readonly shard: number;
  readonly lsn: number;
  readonly number: number;
}

export interface Frame extends FrameFields {
  readonly crc: number;
  /** Of the whole frame. */
  readonly length: number;
  /** A view; copy what is kept. */
  readonly body: Buffer;
}

/** The frame's bytes; the body is copied. Throws a RangeError for a key over 255 bytes. */
export function encodeFrame(fields: FrameFields, body: Uint8Array): Buffer {
  const keyBytes = Buffer.byteLength(fields.key);
  if (keyBytes > 255) throw new RangeError(`A key has 255 bytes at most, this one has ${keyBytes}.`);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + keyBytes + body.byteLength);
  bytes.writeUInt32LE(body.byteLength, 4);
  bytes.writeUIntLE(fields.lsn, 8, 6);
  bytes.writeUIntLE(fields.number, 14, 6);
  bytes.writeUInt32LE(fields.shard, 20);
  bytes.writeUInt8(TYPES.indexOf(fields.type), 24);
  bytes.writeUInt8(keyBytes, 25);
  bytes.write(fields.key, HEADER_BYTES);
  bytes.set(body, HEADER_BYTES + keyBytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  return bytes;
}

/** The frame at the start of `bytes`; `short` when more bytes could complete it, `bad` when none can. */
export function decodeFrame(bytes: Buffer): Frame | "short" | "bad" {
  if (bytes.length < HEADER_BYTES) return "short";
  const type = TYPES[bytes.readUInt8(24)];
  const bodyLength = bytes.readUInt32LE(4);
  if (type === undefined || bodyLength > MAX_BODY_BYTES) return "bad";
  const bodyStart = HEADER_BYTES + bytes.readUInt8(25);
  const length = bodyStart + bodyLength;
  if (bytes.length < length) return "short";
  const crc = bytes.readUInt32LE(0);
  if (crc32(bytes.subarray(4, length)) !== crc) return "bad";
  return {
    type,
    key: bytes.toString("utf8", HEADER_BYTES, bodyStart),
    shard: bytes.readUInt32LE(20),
    lsn: bytes.readUIntLE(8, 6),
    number: bytes.readUIntLE(14, 6),
    crc,
    length,
    body: bytes.subarray(bodyStart, length),
  };
}

/** The length of a record's body. */
export function bodyBytes(record: { readonly key: string; readonly length: number }): number {
  return record.length - HEADER_BYTES - Buffer.byteLength(record.key);
}
