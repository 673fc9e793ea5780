/** A stream's bytes in a file, so that they can be entered at any row and read again. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { addAbortSignal, type Readable } from "node:stream";
import { storageError } from "../output/durable-file.ts";
import { readFailure } from "./read-failure.ts";

export interface Spooled {
  readonly bytes: number;
  /** SHA-256 of all of them, hex. */
  readonly digest: string;
}

/**
 * Writes what comes, or what `take` lets through of it, to a new file and syncs that; the stream is destroyed where it is not
 * read to its end. Throws INPUT_UNREADABLE for a stream that fails, DISK_FULL and the like, and what `signal` says.
 */
export async function spoolStream(
  stream: Readable,
  path: string,
  options: {
    /** Names the stream in errors. */
    readonly place: string;
    readonly signal: AbortSignal;
    readonly take?: (chunks: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;
  },
): Promise<Spooled> {
  const { place, signal, take = (chunks) => chunks } = options;
  signal.throwIfAborted();
  await using file = await open(path, "wx").catch((error: unknown) => {
    throw storageError(error, path);
  });
  const write = async (chunk: Buffer): Promise<void> => {
    await file.appendFile(chunk).catch((error: unknown) => {
      throw storageError(error, path);
    });
  };
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of take(buffers(addAbortSignal(signal, stream)))) {
      await write(chunk);
      hash.update(chunk);
      bytes += chunk.length;
    }
    await file.sync();
  } catch (error) {
    signal.throwIfAborted();
    throw readFailure(error, place, "Run the same command again, with the whole input.");
  }
  return { bytes, digest: hash.digest("hex") };
}

/** A stream that was given an encoding brings texts. */
async function* buffers(stream: Readable): AsyncGenerator<Buffer> {
  for await (const chunk of stream as AsyncIterable<Buffer | string>) {
    yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
  }
}
