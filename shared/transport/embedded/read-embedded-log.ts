import { isTidingError } from "../../errors.ts";
import type { LogEntry, Position } from "../transport.ts";
import { EntryIndex } from "./entry-index.ts";
import type { Frame } from "./frame.ts";
import { listGenerations } from "./generations.ts";
import { recoverSegments } from "./recover.ts";
import { recordName } from "./segment.ts";
import type { Segment } from "./segment.ts";
import { systemCode } from "./store-errors.ts";

/** How often files may vanish under the reader: each time the owner moved on by a segment or more. */
const ATTEMPTS = 20;

/**
 * Every shard's newest entry in a directory that another process may be writing, a moment old at most. Changes nothing
 * and takes no lock. Empty where there is no log. Throws STORE_DAMAGED.
 */
export async function readEmbeddedLog(directory: string): Promise<{ readonly tails: readonly LogEntry[] }> {
  for (let attempt = 1; ; attempt++) {
    try {
      return { tails: await readTails(directory) };
    } catch (error) {
      // A listing that was taken while files came and went can look like a gap.
      const mayPass = systemCode(error) === "ENOENT" || (isTidingError(error) && error.code === "STORE_DAMAGED");
      if (!mayPass || attempt === ATTEMPTS) throw error;
    }
  }
}

async function readTails(directory: string): Promise<LogEntry[]> {
  const segments: Segment[] = [];
  try {
    const { segments: paths } = await listGenerations(directory).catch((error: unknown) => {
      if (systemCode(error) === "ENOENT") return { segments: [] };
      throw error;
    });
    const copyEntry = (frame: Frame): Buffer | null => (frame.type === "entry" ? Buffer.from(frame.body) : null);
    const { records } = await recoverSegments(paths, segments, copyEntry);
    const index = new EntryIndex();
    for (const record of records) {
      if (record.type === "entry") index.add(record);
      if (record.type === "drop-entries") {
        const kill = (dropped: typeof record): void => void (dropped.live = false);
        index.drop(record.key, record.shard, record.number, { kill });
      }
    }
    return [...index.tails()].map((record) => ({
      job: record.key,
      shard: record.shard,
      position: recordName(record) as Position,
      body: new Uint8Array(record.frame!),
    }));
  } finally {
    for (const segment of segments) await segment.file.close();
  }
}
