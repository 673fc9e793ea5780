/** Writes requests into files that fit a batch each. A request that was written before is left out. */
import { createHash, randomBytes, type Hash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { storageError } from "../../coordinator/output/durable-file.ts";
import { MAX_FILE_BYTES, MAX_REQUESTS, requestLine, type BatchRequest } from "../../worker/llms/batches/batch-lines.ts";
import type { BatchEntry } from "./batch-state.ts";
import type { BatchStore } from "./batch-store.ts";

/** Gathered before they are written. */
const BUFFER_CHARACTERS = 256 * 1024;

export interface BatchLimits {
  readonly requests: number;
  readonly bytes: number;
}

interface OpenFile {
  readonly llm: number;
  readonly url: string;
  readonly submission: string;
  readonly part: string;
  readonly file: FileHandle;
  readonly hash: Hash;
  requests: number;
  bytes: number;
  gathered: string;
}

type WrittenFile = Pick<BatchEntry, "llm" | "url" | "submission" | "requests" | "bytes" | "content">;

export class RequestFiles {
  readonly #store: BatchStore;
  readonly #limits: BatchLimits;
  readonly #seen = new Set<string>();
  readonly #open = new Map<string, OpenFile>();
  readonly #written: WrittenFile[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(store: BatchStore, limits: BatchLimits = { requests: MAX_REQUESTS, bytes: MAX_FILE_BYTES }) {
    this.#store = store;
    this.#limits = limits;
  }

  /** Resolves once it is handed over; may be called while another is. Rejects with errors of the file system. */
  add(llm: number, request: BatchRequest): Promise<void> {
    if (this.#seen.has(request.customId)) return this.#writing;
    this.#seen.add(request.customId);
    this.#writing = this.#writing.then(() => this.#write(llm, request));
    return this.#writing;
  }

  /** All files, whole and durable; none where there was no request. */
  async finish(): Promise<readonly WrittenFile[]> {
    await this.#writing;
    for (const file of this.#open.values()) await this.#close(file);
    this.#open.clear();
    return this.#written;
  }

  /** Lets go of what is not whole. */
  async abandon(): Promise<void> {
    await this.#writing.catch(() => undefined);
    for (const { file } of this.#open.values()) await file.close();
    this.#open.clear();
  }

  async #write(llm: number, request: BatchRequest): Promise<void> {
    const line = requestLine(request);
    const bytes = Buffer.byteLength(line);
    const key = `${llm} ${request.url}`;
    let file = this.#open.get(key);
    if (file !== undefined && (file.requests >= this.#limits.requests || file.bytes + bytes > this.#limits.bytes)) {
      this.#open.delete(key);
      await this.#close(file);
      file = undefined;
    }
    if (file === undefined) this.#open.set(key, (file = await this.#begin(llm, request.url)));
    file.requests += 1;
    file.bytes += bytes;
    file.gathered += line;
    if (file.gathered.length >= BUFFER_CHARACTERS) await flush(file);
  }

  async #begin(llm: number, url: string): Promise<OpenFile> {
    const submission = randomBytes(8).toString("hex");
    const part = `${this.#store.path("requests", submission)}.part`;
    const file = await open(part, "w").catch((error: unknown) => {
      throw storageError(error, part);
    });
    return { llm, url, submission, part, file, hash: createHash("sha256"), requests: 0, bytes: 0, gathered: "" };
  }

  async #close(written: OpenFile): Promise<void> {
    const { llm, url, submission, part, file, hash, requests, bytes } = written;
    try {
      await flush(written);
    } finally {
      await file.close();
    }
    await this.#store.keep(part, this.#store.path("requests", submission));
    this.#written.push({ llm, url, submission, requests, bytes, content: hash.digest("hex") });
  }
}

async function flush(file: OpenFile): Promise<void> {
  const text = file.gathered;
  file.gathered = "";
  file.hash.update(text);
  await file.file.writeFile(text).catch((error: unknown) => {
    throw storageError(error, file.part);
  });
}
