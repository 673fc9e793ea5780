/** A file written by one synchronous writer, in a thread, and synced before anyone is told of it. */
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { storageError } from "../output/durable-file.ts";

/** Every method throws file system errors as `storageError` gives them: `DISK_FULL` with the path as place, and others. */
export class SyncedFile {
  readonly path: string;
  readonly #descriptor: number;
  #isOpen = true;
  bytes = 0;

  constructor(path: string) {
    this.path = path;
    this.#descriptor = attempt(path, () => openSync(path, "w"));
  }

  write(bytes: Uint8Array): void {
    for (let written = 0; written < bytes.length;) {
      written += attempt(this.path, () => writeSync(this.#descriptor, bytes, written));
    }
    this.bytes += bytes.length;
  }

  /** When it returns, the content is on the disk; its name is not, before the folder is synced. */
  finish(): void {
    attempt(this.path, () => fsyncSync(this.#descriptor));
    this.#close();
  }

  /** Closes and removes the file; safe to repeat, and after `finish`. */
  discard(): void {
    this.#close();
    attempt(this.path, () => rmSync(this.path, { force: true }));
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    attempt(this.path, () => closeSync(this.#descriptor));
  }
}

function attempt<Result>(path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw storageError(error, path);
  }
}
