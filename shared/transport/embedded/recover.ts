import { open } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";

import { FORMAT_VERSION } from "./frame.ts";
import type { Frame } from "./frame.ts";
import { listLogFiles, newestSegments } from "./generations.ts";
import { scanSegment } from "./segment.ts";
import type { Segment, StoredRecord } from "./segment.ts";
import { damagedAt, ownershipLost } from "./store-errors.ts";

/** How often files may come or go meanwhile: each time, a living owner moved on by a segment. */
const ATTEMPTS = 20;

export interface RecoveredLog {
  /** The caller closes their files. */
  readonly segments: readonly Segment[];
  /** In the order in which they were written first, each LSN once, drops included. */
  readonly records: readonly StoredRecord[];
  readonly nextLsn: number;
}

/**
 * Reads the newest complete epoch, whether its owner is gone or still writes. What follows the last whole frame of the
 * newest segment was never acknowledged and is left out; a bad frame in any other segment is STORE_DAMAGED. Bodies stay on
 * disk; `keep` may take a copy of a frame along. Throws OWNERSHIP_LOST when files come and go without end.
 */
export async function recoverLog(
  directory: string,
  keep: (frame: Frame) => Buffer | null = () => null,
): Promise<RecoveredLog> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const files = await listLogFiles(directory);
    const segments: Segment[] = [];
    try {
      return await readSegments(newestSegments(directory, files), segments, { keep });
    } catch (error) {
      for (const segment of segments) await segment.file.close();
      // A file that was deleted while the others were read, or a listing taken between two changes, means to look again.
      if (isDeepStrictEqual(await listLogFiles(directory), files)) throw error;
    }
  }
  throw ownershipLost(directory, "its owner is still writing");
}

async function readSegments(
  paths: readonly string[],
  segments: Segment[],
  options: { readonly keep: (frame: Frame) => Buffer | null },
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
      const record: StoredRecord = { ...fields, live: !isDrop, frame: options.keep(frame), segment, offset };
      records.set(frame.lsn, record);
      if (record.live) segment.live.add(record);
    });
    if (!whole && path !== paths.at(-1)) throw damagedAt(path, end, "a record that was written whole cannot be read");
    segment.size = end;
  }
  return { segments, records: [...records.values()].toSorted((a, b) => a.lsn - b.lsn), nextLsn };
}
