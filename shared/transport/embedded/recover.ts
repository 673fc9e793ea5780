import { open } from "node:fs/promises";

import { FORMAT_VERSION } from "./frame.ts";
import type { Frame } from "./frame.ts";
import { scanSegment } from "./segment.ts";
import type { Segment, StoredRecord } from "./segment.ts";
import { damagedAt } from "./store-errors.ts";

export interface RecoveredLog {
  readonly segments: readonly Segment[];
  /** In the order in which they were written first, each LSN once, drops included. */
  readonly records: readonly StoredRecord[];
  readonly nextLsn: number;
}

/**
 * Reads the segments of one epoch, oldest first. What follows the last whole frame of the newest segment was never
 * acknowledged and is left out; a bad frame in any other segment is STORE_DAMAGED. Bodies stay on disk, unless `keepFrame`
 * asks for a copy. The caller closes the segments' files, also when this throws: they are pushed to `segments` as they open.
 */
export async function recoverSegments(
  paths: readonly string[],
  segments: Segment[],
  keepFrame: (frame: Frame) => Buffer | null = () => null,
): Promise<RecoveredLog> {
  // By LSN: a crash in compaction leaves a record twice, and the later copy is the one whose file stays longer.
  const records = new Map<number, StoredRecord>();
  let nextLsn = 1;
  for (const path of paths) {
    const segment: Segment = { path, file: await open(path, "r"), size: 0, live: new Set() };
    segments.push(segment);
    const { end, whole } = await scanSegment(segment.file, (frame, offset) => {
      if (frame.type === "segment") {
        if (frame.number !== FORMAT_VERSION) throw damagedAt(path, offset, `format ${frame.number} is not known here`);
        nextLsn = Math.max(nextLsn, frame.lsn);
        return;
      }
      nextLsn = Math.max(nextLsn, frame.lsn + 1);
      records.get(frame.lsn)?.segment?.live.delete(records.get(frame.lsn)!);
      const { body: _, ...fields } = frame;
      const isDrop = frame.type === "drop-entries" || frame.type === "drop-blobs";
      const record: StoredRecord = { ...fields, live: !isDrop, frame: keepFrame(frame), segment, offset };
      records.set(frame.lsn, record);
      if (record.live) segment.live.add(record);
    });
    if (!whole && path !== paths.at(-1)) throw damagedAt(path, end, "a record that was written whole cannot be read");
    segment.size = end;
  }
  return { segments, records: [...records.values()].toSorted((a, b) => a.lsn - b.lsn), nextLsn };
}
