/**
 * Parts are encoded in a thread: a row's way into Parquet costs more than the event loop has to spare.
 *
 * One thread for all, because it keeps up with tens of thousands of rows a second, and landings that wait for their shards
 * share it. Batches move to it (their buffers are transferred), and no more than two shards wait there.
 */
import { MessageChannel, type MessagePort, type Transferable } from "node:worker_threads";
import { Piscina } from "piscina";
import { TidingError, messageOf } from "../../shared/errors.ts";
import { type ThreadOutcome, resultOf } from "../../shared/thread-outcome.ts";
import type { EncodeTask, LandingMessage } from "./encode-part.thread.ts";
import type { LandingRequest, LandingResult, MergeRequest, PartFile } from "./part-file.ts";

const SHARDS_AHEAD = 2;
const TASKS_AT_ONCE = 64;
/** Below 2 GiB V8 collects when a heap has doubled; above, when it has grown fourfold, which is memory for nothing here. */
const THREAD_HEAP_MB = 2_000;

/** Calls follow one another: the next one after the last has resolved. */
export interface LandingWriter {
  /**
   * Adds all batches of one shard, rows in any order; shards come ascending. `skip[i]` is a bitmap over the positions of
   * batch `i`, a set bit leaves the row out. The batches' buffers move away: they are empty afterwards. Waits while
   * earlier shards wait to be encoded; rejects with whatever failed so far.
   */
  addShard(batches: readonly Uint8Array[], skip: readonly (Uint8Array | null)[]): Promise<void>;
  /** Ends the files; when it resolves, their content is on the disk. Rejects, with no file left, as `addShard` does. */
  finish(): Promise<LandingResult>;
  /** Ends the landing and removes its files; after `finish` it does nothing. Never rejects, and is safe to repeat. */
  abort(): Promise<void>;
}

export class PartEncoder {
  readonly #pool = new Piscina<EncodeTask, ThreadOutcome<unknown>>({
    // .ts when types are stripped, .js when built
    filename: new URL(
      import.meta.url.endsWith(".ts") ? "./encode-part.thread.ts" : "./encode-part.thread.js",
      import.meta.url,
    ).href,
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker: TASKS_AT_ONCE,
    resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MB },
  });
  readonly #landings = new Set<LandingWriter>();
  /** Why nothing more can be encoded. A pool that lost its thread, or was destroyed, would start another. */
  #end: TidingError | null = null;
  #warmed: Promise<void> = Promise.resolve();

  constructor() {
    this.#pool.on("error", (error) => {
      this.#end ??= threadEnded(error);
      void this.#pool.destroy();
    });
  }

  /** Resolves when the thread has loaded what it needs; otherwise the first landing waits for that. */
  async warm(): Promise<void> {
    const warming = this.#run<void>({ type: "warm" });
    this.#warmed = warming.catch(() => undefined);
    await warming;
  }

  open(request: LandingRequest): LandingWriter {
    const { port1, port2 } = new MessageChannel();
    const landed = this.#run<LandingResult | null>({ type: "land", request, port: port2 }, [port2]);
    const writer = new ThreadLandingWriter(port1, landed);
    this.#landings.add(writer);
    const forget = (): void => void this.#landings.delete(writer);
    landed.then(forget, forget);
    return writer;
  }

  /** Writes parts anew, merged by row id. Rejects, with no file left, with `OUTPUT_DAMAGED`, `DISK_FULL` and the like. */
  merge(request: MergeRequest): Promise<readonly PartFile[]> {
    return this.#run({ type: "merge", request });
  }

  /** Aborts landings that are open, and ends the thread. What is asked for afterwards is refused with `INTERNAL`. */
  async close(): Promise<void> {
    this.#end ??= new TidingError("INTERNAL", "The encoder of parts is closed.");
    await Promise.all([...this.#landings].map((landing) => landing.abort()));
    // A thread that is ended while it loads modules can take the process down (Node 20, IsGraphAsync).
    await this.#warmed;
    await this.#pool.destroy();
  }

  async #run<Result>(task: EncodeTask, transferList: MessagePort[] = []): Promise<Result> {
    if (this.#end !== null) throw this.#end;
    let outcome: ThreadOutcome<unknown>;
    try {
      outcome = await this.#pool.run(task, { transferList });
    } catch (error) {
      throw threadEnded(error);
    }
    return resultOf(outcome) as Result;
  }
}

class ThreadLandingWriter implements LandingWriter {
  readonly #port: MessagePort;
  readonly #landed: Promise<LandingResult | null>;
  #credits = SHARDS_AHEAD;
  #wake: (() => void) | null = null;
  /** The landing's end is noticed between two calls. */
  #hasEnded = false;

  constructor(port: MessagePort, landed: Promise<LandingResult | null>) {
    this.#port = port;
    port.on("message", () => {
      this.#credits += 1;
      this.#wake?.();
    });
    const end = (): void => {
      this.#hasEnded = true;
      port.close();
      this.#wake?.();
    };
    this.#landed = landed;
    landed.then(end, end);
  }

  async addShard(batches: readonly Uint8Array[], skip: readonly (Uint8Array | null)[]): Promise<void> {
    while (this.#credits === 0 && !this.#hasEnded) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#hasEnded) throw await this.#reasonOfEnd();
    this.#credits -= 1;
    const owned = batches.map(ownBuffer);
    this.#post({ type: "shard", batches: owned, skips: skip }, [...new Set(owned.map(({ buffer }) => buffer))]);
  }

  async finish(): Promise<LandingResult> {
    this.#post({ type: "finish" });
    const result = await this.#landed;
    if (result === null) throw await this.#reasonOfEnd();
    return result;
  }

  async abort(): Promise<void> {
    this.#post({ type: "abort" });
    await this.#landed.catch(() => null);
  }

  /** What is posted after the end is lost, which is right: the end says all. */
  #post(message: LandingMessage, transferList: Transferable[] = []): void {
    this.#port.postMessage(message, transferList);
  }

  async #reasonOfEnd(): Promise<unknown> {
    return this.#landed.then(
      () => new TidingError("INTERNAL", "A shard was added to a landing that had ended."),
      (error: unknown) => error,
    );
  }
}

function threadEnded(cause: unknown): TidingError {
  return new TidingError("INTERNAL", `The thread that encodes parts ended: ${messageOf(cause)}`, { cause });
}

/** The bytes in a buffer that holds nothing else, so that it can be transferred; a part of a larger one is copied. */
function ownBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength;
  return isWhole ? new Uint8Array(buffer) : new Uint8Array(bytes);
}
