/** From a claimed task to a shard that is held: its rows fetched, its former owner fenced. */
import { isTidingError } from "../shared/errors.ts";
import { decodeShardMessage } from "../shared/protocol/shard-message.ts";
import { Bitmap } from "../shared/rows/bitmap.ts";
import { TransportError, type Claim, type JobKey, type Transport } from "../shared/transport/transport.ts";
import { HeldShard } from "./held-shard.ts";
import { ShardOwner, type ShardPlace } from "./shard-owner.ts";

export interface OpenClaimOptions {
  readonly transport: Transport;
  readonly job: JobKey;
  /** Who opens it. */
  readonly worker: string;
  readonly runsForeignCode: boolean;
  readonly signal: AbortSignal;
  /** The claim's lease ran out: the task may be another's by now. */
  readonly isStale: () => boolean;
  readonly onWait: ShardPlace["onWait"];
}

/**
 * Null when there is nothing to be done with it. A stale claim is left alone: an opening would fence whoever has the task
 * now, and an acknowledgement, which the queue believes of zombies as well, would take it from under them.
 */
export async function openClaim(claim: Claim, options: OpenClaimOptions): Promise<HeldShard | null> {
  const { transport, job, worker, runsForeignCode, signal, isStale, onWait } = options;
  const message = decodeShardMessage(claim.body);
  const { shard, rows } = message;
  if (isStale()) return null;
  const input = await transport.inputs.get(message.input);
  if (input !== null && !isStale()) {
    const only = message.only === null ? null : Bitmap.fromText(rows, message.only);
    const place = { job, shard, size: rows, only, runsForeignCode, worker, signal, isStale, onWait };
    const owner = await ShardOwner.open(transport.log, place).catch((error: unknown) => {
      // Another worker, with a delivery of its own, was quicker.
      if (isTidingError(error) && error.code === "FENCED") return null;
      throw error;
    });
    if (owner !== null) return new HeldShard(message, claim, owner, input);
  }
  // An input that is not there went with a restart; the reconciler sees that nobody works on the shard and puts both again.
  if (!isStale()) await settled(claim.done());
  return null;
}

/** A task whose end could not be told comes again, and whoever gets it finds in the log what there is to do. */
export async function settled(told: Promise<void>): Promise<void> {
  try {
    await told;
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
  }
}
