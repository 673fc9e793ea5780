/**
 * Bodies of requests in a file, in the order in which they were sent: for each its length in four bytes (little-endian),
 * then itself. They hold prompts: the file is readable by its owner alone, and lies where it is deleted with the benchmark.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";

const BUFFERED_BYTES = 1_048_576;
const LENGTH_BYTES = 4;

export class BodySpool implements Disposable {
  readonly #file: number;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(path: string) {
    this.#file = openSync(path, "a", 0o600);
  }

  add(body: Buffer): void {
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(body.length);
    this.#pieces.push(length, body);
    this.#bytes += LENGTH_BYTES + body.length;
    if (this.#bytes > BUFFERED_BYTES) this.#write();
  }

  [Symbol.dispose](): void {
    this.#write();
    closeSync(this.#file);
  }

  #write(): void {
    const bytes = Buffer.concat(this.#pieces);
    for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at);
    this.#pieces = [];
    this.#bytes = 0;
  }
}

/** The bodies in their order, with a bounded part of the file in memory. */
export async function* readBodies(path: string): AsyncGenerator<Buffer> {
  await using file = await open(path);
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of file.createReadStream({ highWaterMark: BUFFERED_BYTES, autoClose: false })) {
    held = Buffer.concat([held, chunk as Buffer]);
    let at = 0;
    while (held.length - at >= LENGTH_BYTES) {
      const end = at + LENGTH_BYTES + held.readUInt32LE(at);
      if (end > held.length) break;
      yield held.subarray(at + LENGTH_BYTES, end);
      at = end;
    }
    held = held.subarray(at);
  }
}
