/**
 * Finds answers in downloaded results by the names of their requests. In memory it holds for each request its name and where
 * its answer lies, about 150 bytes; the answers stay in their files.
 */
import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { byteLines } from "../../coordinator/input/byte-lines.ts";
import { hasCode, storageError } from "../../coordinator/output/durable-file.ts";
import { TidingError } from "../../shared/errors.ts";
import type { HttpAnswer } from "../../worker/llms/http-client.ts";
import type { ResponseContext } from "../../worker/llms/classify-response.ts";
import { readResultLine, verdictOf } from "../../worker/llms/batches/batch-lines.ts";

/** An answer has at most as many tokens as a model's context; this is far beyond. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

interface Place {
  readonly file: FileHandle;
  readonly at: number;
  readonly bytes: number;
}

/** What a file of results brought. */
export interface Indexed {
  /** Results of any kind. */
  readonly results: number;
  /** Lines that are no results. */
  readonly unreadable: number;
  /** The first error among them that concerns the whole job; its request is asked again. */
  readonly jobError: TidingError | null;
}

export class AnswerIndex implements AsyncDisposable {
  readonly #attempts: number;
  readonly #places = new Map<string, Place>();
  /** Attempts that failed so that another may succeed. */
  readonly #failures = new Map<string, number>();
  readonly #files: FileHandle[] = [];

  /** @param attempts after which a request that failed is not asked again */
  constructor(attempts: number) {
    this.#attempts = attempts;
  }

  /**
   * Files are to be added in one and the same order each time: of two answers the first counts. Null where there is no such
   * file.
   */
  async add(path: string, context: ResponseContext): Promise<Indexed | null> {
    let results = 0;
    let unreadable = 0;
    let jobError: TidingError | null = null;
    try {
      const file = await open(path, "r");
      this.#files.push(file);
      for await (const lines of byteLines(createReadStream(path), { at: 0, maxBytes: MAX_LINE_BYTES })) {
        for (const { text, at, bytes, problem } of lines) {
          if (text.trim() === "") continue;
          const result = problem === null ? readResultLine(text) : null;
          if (result === null) {
            unreadable += 1;
            continue;
          }
          results += 1;
          const verdict = verdictOf(result.answer, context);
          if (verdict.kind === "again") jobError ??= verdict.error;
          if (this.#isFinal(result.customId, verdict)) this.#put(result.customId, { file, at, bytes });
        }
      }
    } catch (error) {
      // A batch without errors has no file of them.
      if (hasCode(error, "ENOENT")) return null;
      throw storageError(error, path);
    }
    return { results, unreadable, jobError };
  }

  /** Requests that it has answers to. */
  get size(): number {
    return this.#places.size;
  }

  /** Null for a request that is still to be asked. */
  async answerTo(customId: string): Promise<HttpAnswer | null> {
    const place = this.#places.get(customId);
    if (place === undefined) return null;
    const line = Buffer.allocUnsafe(place.bytes);
    await place.file.read(line, 0, place.bytes, place.at);
    const result = readResultLine(line.toString());
    if (result?.customId === customId && result.answer !== null) return result.answer;
    throw new TidingError("OUTPUT_DAMAGED", "A file of downloaded results has changed under the job.", {
      mend: "Run the same command again, and leave the folder .tiding alone.",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files) await file.close();
  }

  #isFinal(customId: string, verdict: ReturnType<typeof verdictOf>): boolean {
    if (verdict.kind === "settled") return true;
    if (!verdict.attempt) return false;
    const failures = (this.#failures.get(customId) ?? 0) + 1;
    this.#failures.set(customId, failures);
    return failures >= this.#attempts;
  }

  #put(customId: string, place: Place): void {
    if (!this.#places.has(customId)) this.#places.set(customId, place);
  }
}
