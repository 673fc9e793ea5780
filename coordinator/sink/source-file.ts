/** A file of ours that is read piece by piece in a thread. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { TidingError, messageOf } from "../../shared/errors.ts";

export class SourceFile {
  readonly path: string;
  readonly bytes: number;
  readonly #descriptor: number;
  #isOpen = true;

  /** Throws `OUTPUT_DAMAGED` when the file is missing. */
  constructor(path: string) {
    this.path = path;
    try {
      this.#descriptor = openSync(path, "r");
    } catch (error) {
      throw damagedPart(path, messageOf(error), error);
    }
    this.bytes = fstatSync(this.#descriptor).size;
  }

  /** The bytes from `start` up to `end`, in a buffer of their own; throws `OUTPUT_DAMAGED` when the file ends before. */
  read(start: number, end: number): Buffer<ArrayBuffer> {
    const piece = Buffer.from(new ArrayBuffer(end - start));
    let length = 0;
    while (length < piece.length) {
      const got = readSync(this.#descriptor, piece, length, piece.length - length, start + length);
      if (got === 0) throw damagedPart(this.path, `it ends at byte ${start + length}, before byte ${end}`);
      length += got;
    }
    return piece;
  }

  /** Safe to repeat. */
  close(): void {
    if (this.#isOpen) closeSync(this.#descriptor);
    this.#isOpen = false;
  }
}

export function damagedPart(path: string, what: string, cause?: unknown): TidingError {
  return new TidingError("OUTPUT_DAMAGED", `A part cannot be read: ${what}.`, {
    place: path,
    mend: "Parts are never changed once written. Put the file back as it was, or begin a new output.",
    cause,
  });
}
