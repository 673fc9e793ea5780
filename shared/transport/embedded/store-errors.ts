import { dirname } from "node:path";

import { isTidingError, messageOf, TidingError } from "../../errors.ts";
import { TransportError } from "../transport.ts";
import { MAX_BODY_BYTES } from "./frame.ts";

/** Throws `closed` once the transport is being closed. */
export function assertOpen(closing: AbortSignal): void {
  if (closing.aborted) throw new TransportError("closed", "The transport was closed.");
}

/** Throws `too-large` for a body that no implementation detail could carry. */
export function assertFits(body: Uint8Array): void {
  if (body.byteLength <= MAX_BODY_BYTES) return;
  throw new TransportError("too-large", `A body has ${MAX_BODY_BYTES} bytes at most, this one has ${body.byteLength}.`);
}

/** The code of a system error ("ENOENT"), or "" for any other. */
export function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** STORE_DAMAGED: the file's bytes at `offset` are not what was written there. */
export function damagedAt(path: string, offset: number, what: string): TidingError {
  return new TidingError("STORE_DAMAGED", `The embedded log is damaged: ${what}, at byte ${offset} of ${path}.`, {
    place: path,
    details: { offset },
    mend: `Restore ${dirname(path)} from a copy, or delete it and run again: rows that are not in the output yet are generated again.`,
  });
}

/** OWNERSHIP_LOST: another opened the directory with a higher epoch. */
export function ownershipLost(directory: string, what: string): TidingError {
  return new TidingError("OWNERSHIP_LOST", `The embedded log in ${directory} belongs to another: ${what}.`, {
    place: directory,
    mend: "Leave the job to the run that holds it now, or stop that run and start this one again.",
  });
}

/** What a failed read, write or sync means: DISK_FULL, or STORE_DAMAGED for everything that is not about space. */
export function storeFailure(error: unknown, directory: string): TidingError {
  if (isTidingError(error)) return error;
  // EFBIG: a limit on the size of files, by the file system or the shell.
  if (["ENOSPC", "EDQUOT", "EFBIG"].includes(systemCode(error))) {
    return new TidingError("DISK_FULL", `The embedded log could not be written: no space is left for ${directory}.`, {
      place: directory,
      mend: "Free some space there and run the same command again: everything that was committed is kept.",
      cause: error,
    });
  }
  return new TidingError("STORE_DAMAGED", `The embedded log could not be used: ${messageOf(error)}.`, {
    place: directory,
    mend: "Look after the disk, then run the same command again: everything that was committed is kept.",
    cause: error,
  });
}
