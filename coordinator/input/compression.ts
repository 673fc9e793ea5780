/**
 * The bytes of a file, decompressed where it is compressed. What a file is compressed with is told by its first bytes,
 * never by its name. A compressed file cannot be entered in the middle.
 */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream";
import * as zlib from "node:zlib";
import * as fzstd from "fzstd";
import { TidingError } from "../../shared/errors.ts";
import { readFailure } from "./read-failure.ts";

export type Compression = "none" | "gzip" | "zstd";

const CHUNK_BYTES = 262_144;
/** Small, because fzstd gives all that a chunk holds at once, and a chunk may hold a thousand times its size. */
const ZSTD_CHUNK_BYTES = 16_384;

/** Beginnings of files; those that are no `Compression` are refused. */
const signatures: readonly (readonly [string, RegExp])[] = [
  ["gzip", /^1f8b/],
  // A frame, or a skippable one before it.
  ["zstd", /^(28b52ffd|5.2a4d18)/],
  ["bzip2", /^425a68[3-9]/],
  ["xz", /^fd377a585a00/],
  ["zip", /^504b0304/],
  ["lz4", /^04224d18/],
  ["7-zip", /^377abcaf271c/],
];

/** zstd in node:zlib, which came with Node 22.15. Its stream stops after a file's first frame, so only this is used. */
const native = zlib as unknown as { readonly zstdDecompressSync?: (input: Uint8Array) => Uint8Array };

/** So many bytes tell what a file is compressed with. */
export const HEAD_BYTES = 8;

/** What a file that begins so is compressed with, read here or not; null where it is not compressed. */
export function signatureOf(head: Buffer): string | null {
  const hex = head.toString("hex");
  return signatures.find(([, signature]) => signature.test(hex))?.[0] ?? null;
}

/** What a file is compressed with. Throws INPUT_UNREADABLE for a compression that is not read here. */
export async function compressionOf(path: string): Promise<Compression> {
  const head = Buffer.alloc(HEAD_BYTES);
  try {
    await using file = await open(path);
    await file.read(head, 0, head.length, 0);
  } catch (error) {
    throw readFailure(error, path, "Check that the file is there and may be read.");
  }
  const found = signatureOf(head) ?? "none";
  if (found === "none" || found === "gzip" || found === "zstd") return found;
  throw new TidingError("INPUT_UNREADABLE", `The input is compressed with ${found}, which is not read here.`, {
    place: path,
    mend: "Unpack it, or compress it with gzip or zstd.",
  });
}

/** A file's bytes in chunks, decompressed, from byte `at` on (0 where it is compressed). Throws INPUT_UNREADABLE. */
export async function* readBytes(path: string, at: number): AsyncGenerator<Buffer> {
  const compression = await compressionOf(path);
  try {
    if (compression === "none") yield* readPlain(path, at, CHUNK_BYTES);
    else if (compression === "gzip") yield* readGzip(path);
    else yield* readZstd(path);
  } catch (error) {
    const whole = compression === "none" ? "Check the file and the disk." : `Check it with ${compression} -t.`;
    throw readFailure(error, path, whole);
  }
}

async function* readPlain(path: string, at: number, chunkBytes: number): AsyncGenerator<Buffer> {
  await using file = await open(path);
  for (let position = at; ;) {
    const buffer = Buffer.allocUnsafeSlow(chunkBytes);
    const { bytesRead } = await file.read(buffer, 0, chunkBytes, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function* readGzip(path: string): AsyncGenerator<Buffer> {
  const source = createReadStream(path);
  const decompress = zlib.createGunzip({ chunkSize: CHUNK_BYTES });
  // Errors of either reach the consumer through `decompress`; breaking out destroys both.
  pipeline(source, decompress, () => undefined);
  try {
    for await (const chunk of decompress) yield chunk as Buffer;
  } finally {
    source.destroy();
    decompress.destroy();
    if (!source.closed) await once(source, "close");
  }
}

async function* readZstd(path: string): AsyncGenerator<Buffer> {
  const blocks: Buffer[] = [];
  const stream = new fzstd.Decompress((block) => {
    blocks.push(Buffer.from(block.buffer, block.byteOffset, block.byteLength));
  });
  for await (const chunk of readPlain(path, 0, ZSTD_CHUNK_BYTES)) {
    stream.push(chunk);
    yield* blocks.splice(0);
  }
  stream.push(new Uint8Array(0), true);
  yield* blocks;
}

/** A zstd frame, decompressed at once. */
export function decompressZstd(input: Uint8Array): Uint8Array {
  return native.zstdDecompressSync?.(input) ?? fzstd.decompress(input);
}
