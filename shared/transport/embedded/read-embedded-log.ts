import type { LogEntry, Position } from "../transport.ts";
import { EntryIndex } from "./entry-index.ts";
import type { Frame } from "./frame.ts";
import { recoverLog } from "./recover.ts";
import { recordName } from "./segment.ts";
import type { StoredRecord } from "./segment.ts";
import { systemCode } from "./store-errors.ts";

/**
 * Every shard's newest entry in a directory that another process may be writing, a moment old at most. Changes nothing
 * and takes no lock. Empty where there is no log. Throws STORE_DAMAGED.
 */
export async function readEmbeddedLog(directory: string): Promise<{ readonly tails: readonly LogEntry[] }> {
  const copyEntry = (frame: Frame): Buffer | null => (frame.type === "entry" ? Buffer.from(frame.body) : null);
  const { records, segments } = await recoverLog(directory, copyEntry).catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return { records: [], segments: [] };
    throw error;
  });
  for (const segment of segments) await segment.file.close();

  const index = new EntryIndex();
  const kill = (record: StoredRecord): void => void (record.live = false);
  for (const record of records) {
    if (record.type === "entry") index.add(record);
    if (record.type === "drop-entries") index.drop(record.key, record.shard, record.number, { kill });
  }
  const tails = [...index.tails()].map((record) => ({
    job: record.key,
    shard: record.shard,
    position: recordName(record) as Position,
    body: new Uint8Array(record.frame!),
  }));
  return { tails };
}
