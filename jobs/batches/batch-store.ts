/**
 * The files of a job's offline batches, while this process owns the output.
 *
 *   .tiding/batches/
 *     requests.<submission>.jsonl            as uploaded; until its results are here
 *     output.<submission>.jsonl, error.<submission>.jsonl    as downloaded; until the job has finished
 *     state.<epoch>.json                     which of these count
 *     *.part                                 what a process that died left
 */
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile, storageError, syncDirectory } from "../../coordinator/output/durable-file.ts";
import type { OwnedOutput } from "../../coordinator/output/output-directory.ts";
import { batchFolder, namesIn, readBatchState, statePath, type BatchEntry, type BatchState } from "./batch-state.ts";

export type BatchFileKind = "requests" | "output" | "error";

export class BatchStore {
  readonly folder: string;
  readonly #output: OwnedOutput;
  #state: BatchState;

  private constructor(output: OwnedOutput, state: BatchState) {
    this.#output = output;
    this.folder = batchFolder(output.paths.root);
    this.#state = state;
  }

  /** Clears what no state names. Throws `OUTPUT_DAMAGED` and errors of the file system. */
  static async open(output: OwnedOutput): Promise<BatchStore> {
    const folder = batchFolder(output.paths.root);
    await mkdir(folder, { recursive: true }).catch((error: unknown) => {
      throw storageError(error, folder);
    });
    const job = output.manifest.job.id;
    const found = await readBatchState(folder);
    // Of a job that was begun anew because it had submitted nothing.
    const state: BatchState = found?.job === job ? found : { version: 1, job, batches: [] };
    const store = new BatchStore(output, state);
    await store.#clear();
    return store;
  }

  get job(): string {
    return this.#state.job;
  }

  get state(): BatchState {
    return this.#state;
  }

  /** In the order of their numbers. */
  get batches(): readonly BatchEntry[] {
    return this.#state.batches;
  }

  get nextNumber(): number {
    return (this.batches.at(-1)?.number ?? 0) + 1;
  }

  path(kind: BatchFileKind, submission: string): string {
    return join(this.folder, `${kind}.${submission}.jsonl`);
  }

  /** Throws `OWNERSHIP_LOST` where the output is another's now. */
  async assertOwned(): Promise<void> {
    if (await this.#output.isLost()) this.#output.lost.throwIfAborted();
  }

  async add(entries: readonly BatchEntry[]): Promise<void> {
    await this.#save([...this.batches, ...entries]);
  }

  async change(number: number, change: Partial<BatchEntry>): Promise<void> {
    await this.#save(this.batches.map((entry) => (entry.number === number ? { ...entry, ...change } : entry)));
  }

  /** Its requests are unanswered from then on, and will be submitted in another batch. */
  async forget({ number, submission }: BatchEntry): Promise<void> {
    await this.#save(this.batches.filter((entry) => entry.number !== number));
    await rm(this.path("requests", submission), { force: true });
  }

  /** Makes a part whole under its name. */
  async keep(part: string, whole: string): Promise<void> {
    try {
      await using file = await open(part, "r+");
      await file.sync();
      await rename(part, whole);
    } catch (error) {
      throw storageError(error, whole);
    }
    await syncDirectory(this.folder);
  }

  /** Only once no row will be asked for again. */
  async remove(): Promise<void> {
    await this.assertOwned();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #save(batches: readonly BatchEntry[]): Promise<void> {
    await this.assertOwned();
    this.#state = { ...this.#state, batches: [...batches] };
    await replaceFile(statePath(this.folder, this.#output.manifest.epoch), JSON.stringify(this.#state));
    await syncDirectory(this.folder);
  }

  async #clear(): Promise<void> {
    await this.assertOwned();
    const named = new Set(this.batches.map(({ submission }) => submission));
    for (const name of await namesIn(this.folder)) {
      const submission = /^(?:requests|output|error)\.([0-9a-f]{16})\.jsonl$/.exec(name)?.[1];
      const isNeedless = submission === undefined ? name.endsWith(".part") : !named.has(submission);
      if (isNeedless) await rm(join(this.folder, name), { force: true });
    }
    await this.#save(this.batches);
    const { epoch } = this.#output.manifest;
    for (const name of await namesIn(this.folder)) {
      const other = /^state\.(\d+)\.json$/.exec(name)?.[1];
      if (other !== undefined && Number(other) < epoch) await rm(join(this.folder, name), { force: true });
    }
  }
}
