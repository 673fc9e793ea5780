/** The body of a task: which shard, and where its rows lie. A pointer, never rows. */
import { z } from "zod";
import type { BlobRef } from "../transport/transport.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { PROTOCOL_VERSION } from "./version.ts";

const ShardMessageSchema = z.strictObject({
  version: z.literal(PROTOCOL_VERSION),
  shard: z.int().nonnegative(),
  /** `row_id` of the shard's first row. */
  firstRow: z.int().nonnegative(),
  rows: z.int().positive(),
  /** Where the rows' Arrow blob lies. */
  input: z.string(),
  /** Positions that are to be run, as a bitmap in base64; null: all. A retry runs failed rows only. */
  only: z.string().nullable(),
});

export interface ShardMessage {
  readonly version: typeof PROTOCOL_VERSION;
  readonly shard: number;
  readonly firstRow: number;
  readonly rows: number;
  readonly input: BlobRef;
  readonly only: string | null;
}

export function encodeShardMessage(message: Omit<ShardMessage, "version">): Uint8Array {
  return encodeMessage({ version: PROTOCOL_VERSION, ...message });
}

/** Throws `PROTOCOL_MISMATCH` for a body that is no message of this protocol version. */
export function decodeShardMessage(body: Uint8Array): ShardMessage {
  const message = decodeMessage(ShardMessageSchema, body, {
    code: "PROTOCOL_MISMATCH",
    what: "A task message",
    mend: "Let coordinator and workers run the same version of Tiding.",
  });
  return { ...message, input: message.input as BlobRef };
}
