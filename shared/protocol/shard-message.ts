/** The body of a task: which shard, and where its rows lie. A pointer, never rows. */
import { z } from "zod";
import { TidingError } from "../errors.ts";
import type { BlobRef } from "../transport/transport.ts";
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
  return Buffer.from(JSON.stringify({ version: PROTOCOL_VERSION, ...message }));
}

/** Throws `INTERNAL` for a body that is no message of this protocol version. */
export function decodeShardMessage(body: Uint8Array): ShardMessage {
  const parsed = ShardMessageSchema.safeParse(JSON.parse(Buffer.from(body).toString()));
  if (!parsed.success) {
    throw new TidingError("INTERNAL", `A task message does not have the form of protocol ${PROTOCOL_VERSION}.`, {
      cause: parsed.error,
      mend: "Let coordinator and workers run the same version of Tiding.",
    });
  }
  return { ...parsed.data, input: parsed.data.input as BlobRef };
}
