/**
 * Batches of open shards, moved from the result store to a file of the output.
 *
 * One row that hangs for an hour keeps its shard open; its neighbours' batches must not fill the store meanwhile. A spill
 * is durable before the manifest names it, and only then are the batches dropped. Rows that are spilled count as received.
 * Batches are packed one by one, for they are landed one by one; no budget bounds them, so that packing is worth its time.
 */
import { open, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { messageOf, TidingError } from "../../shared/errors.ts";
import type { StepListener } from "../../shared/protocol/protocol-step.ts";
import { loadZstd, type Zstd } from "../../shared/rows/zstd.ts";
import type { BlobRef, JobKey, Transport } from "../../shared/transport/transport.ts";
import { storageError, syncDirectory } from "../output/durable-file.ts";
import type { SpillEntry } from "../output/manifest.ts";
import type { OwnedOutput } from "../output/output-directory.ts";
import type { Piece, ShardProgress, SpilledBatch } from "./shard-progress.ts";

export interface SpillTarget {
  readonly transport: Transport;
  readonly job: JobKey;
  readonly output: OwnedOutput;
  readonly onStep: StepListener | undefined;
}

/** Spills what the result store holds of these shards. A batch that is gone stays where it was: landing will notice. */
export async function spill(shards: readonly ShardProgress[], target: SpillTarget): Promise<void> {
  const { transport, job, output, onStep } = target;
  if (shards.length === 0) return;
  const name = `spill.${output.manifest.epoch}.${output.manifest.generation}`;
  const path = join(output.paths.spills, name);
  const entries: SpillEntry[] = [];
  const moved: {
    readonly shard: ShardProgress;
    readonly piece: Piece;
    readonly moved: Piece;
    readonly ref: BlobRef;
  }[] = [];
  const zstd = await loadZstd();
  try {
    const file = await open(path, "wx");
    let offset = 0;
    try {
      for (const shard of shards) {
        for (const piece of shard.pieces) {
          if (piece.place.kind !== "stored") continue;
          const bytes = await transport.results.get(piece.place.ref);
          if (bytes === null) continue;
          const packed = zstd.compress(bytes);
          await file.appendFile(packed);
          const lengths = { offset, packedBytes: packed.byteLength, bytes: bytes.byteLength };
          entries.push({ shard: shard.shard, own: piece.fresh.toText(), ...lengths });
          const place = { kind: "spilled" as const, file: `.tiding/spills/${name}`, ...lengths };
          moved.push({ shard, piece, ref: piece.place.ref, moved: { ...piece, place } });
          offset += packed.byteLength;
        }
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await syncDirectory(output.paths.spills);
  } catch (error) {
    throw storageError(error, path);
  }
  onStep?.("spill-written");
  await output.change((manifest) => ({
    spills: [...manifest.spills, { file: `.tiding/spills/${name}`, batches: entries }],
  }));
  onStep?.("spill-recorded");
  for (const { shard, piece, moved: spilled } of moved) {
    shard.pieces = shard.pieces.map((other) => (other === piece ? spilled : other));
  }
  for (const { shard, ref } of moved) await transport.results.drop(job, shard.shard, ref);
}

/** Reads a spilled batch; null when the file is shorter than it should be. Throws `STORE_DAMAGED` for bytes that do not unpack. */
export async function readSpilled(output: OwnedOutput, place: SpilledBatch): Promise<Uint8Array | null> {
  const zstd = await loadZstd();
  const file = await open(join(output.paths.root, place.file), "r");
  try {
    const packed = new Uint8Array(place.packedBytes);
    const { bytesRead } = await file.read(packed, 0, place.packedBytes, place.offset);
    return bytesRead === place.packedBytes ? unpack(zstd, packed, place) : null;
  } finally {
    await file.close();
  }
}

function unpack(zstd: Zstd, packed: Uint8Array, { file, offset, bytes }: SpilledBatch): Uint8Array {
  try {
    return zstd.decompress(packed, bytes);
  } catch (error) {
    throw new TidingError(
      "STORE_DAMAGED",
      `The batch at byte ${offset} of ${file} does not unpack: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** Deletes spill files that the manifest no longer names. */
export async function dropNeedlessSpills(output: OwnedOutput, known: readonly string[]): Promise<void> {
  const named = new Set(output.manifest.spills.map(({ file }) => file));
  for (const file of known) if (!named.has(file)) await rm(join(output.paths.spills, basename(file)), { force: true });
}
