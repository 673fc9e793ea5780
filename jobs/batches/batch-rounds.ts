/**
 * From rows to answers by offline batches, before the engine runs.
 *
 *   rehearse rows ──► requests? ──none──► every answer is here: the engine runs, and reads them
 *        ▲                │
 *        │                ▼
 *     collect ◄── wait ◄── submit        (parked while it waits, or looks again and again)
 *
 * A task may ask for more once it has its first answers, and what expired or failed in passing is asked again; so there may
 * be several rounds. The commit protocol knows nothing of all this: rows are committed and land as ever, by the engine.
 */
import { rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { OwnedOutput } from "../../coordinator/output/output-directory.ts";
import { TidingError } from "../../shared/errors.ts";
import type { RemoteBatch } from "../../worker/llms/batches/batch-api.ts";
import type { BatchedLLM } from "../../worker/llms/batches/batched-llm.ts";
import { quotable } from "../../worker/llms/server-text.ts";
import type { PreparedJob } from "../prepare-job.ts";
import { AnswerIndex, type Indexed } from "./answer-index.ts";
import {
  inFile,
  IN_A_FILE,
  isInFile,
  nothingWritten,
  takeIn,
  underWay,
  writeOut,
  type BatchFile,
} from "./batch-files.ts";
import type { BatchEntry } from "./batch-state.ts";
import type { BatchStep } from "./batch-step.ts";
import { BatchStore } from "./batch-store.ts";
import { rehearseRows } from "./collect-requests.ts";
import { patiently, type Patience } from "./patience.ts";
import { RequestFiles, type BatchLimits } from "./request-files.ts";
import { submitBatch } from "./submit-batch.ts";

export interface BatchRoundsOptions {
  readonly job: PreparedJob;
  readonly output: OwnedOutput;
  readonly signal: AbortSignal;
  readonly onNotice: (notice: string) => void;
  readonly onStep: (step: BatchStep) => void;
  /** In place of the server: requests into a file, or results out of one. */
  readonly file: BatchFile | undefined;
  /** For tests: of one batch. */
  readonly limits?: BatchLimits | undefined;
}

/** `completed` results are there to be fetched, whatever the status says of why there are no more. */
const ENDED = new Set(["completed", "expired", "cancelled", "failed"]);

export class BatchRounds implements AsyncDisposable {
  readonly #options: BatchRoundsOptions;
  readonly #store: BatchStore;
  readonly #index: AnswerIndex;
  readonly #patience: Patience;
  /** How often to look; null to park. */
  readonly #blockMs: number | null;
  readonly #isNew = new Set<string>();
  #told = "";

  private constructor(options: BatchRoundsOptions, store: BatchStore) {
    const { spec } = options.job.loaded;
    this.#options = options;
    this.#store = store;
    this.#index = new AnswerIndex(spec.run.attempts);
    this.#patience = { waitMs: spec.run.endpoint_wait, signal: options.signal, onNotice: options.onNotice };
    const blocks = spec.steps.flatMap(({ llm }) => llm?.offline_batch_generation_block_until_done ?? []);
    this.#blockMs = blocks.length === 0 ? null : Math.min(...blocks);
  }

  static async open(options: BatchRoundsOptions): Promise<BatchRounds> {
    const rounds = new BatchRounds(options, await BatchStore.open(options.output));
    try {
      for (const entry of rounds.#store.batches) if (entry.isSettled) await rounds.#read(entry);
    } catch (error) {
      await rounds[Symbol.asyncDispose]();
      throw error;
    }
    return rounds;
  }

  /**
   * Goes on until the job's LLMs can answer every call (`ready`), or the server is to be waited for (`parked`). Rejects with
   * the signal's reason, `BATCH_FAILED`, what the API refuses with, and what would stop the job if its rows ran.
   */
  async gather(): Promise<"ready" | "parked"> {
    const { file } = this.#options;
    if (file !== undefined) return await this.#throughFile(file);
    const byHand = this.#store.batches.find(isInFile);
    if (byHand !== undefined) throw inFile(byHand.number);
    for (;;) {
      for (const entry of this.#store.batches) if (entry.id === null) await this.#submit(entry);
      const open = await this.#look();
      if (open.length > 0) {
        if (this.#blockMs === null) return "parked";
        this.#tellWaiting(open, this.#blockMs);
        const { signal } = this.#options;
        await delay(this.#blockMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      } else if (!(await this.#rehearse())) {
        this.#answerFromFiles();
        return "ready";
      }
    }
  }

  /** What the job asked for and what came of it is needed no more. Call once every row has landed. */
  async remove(): Promise<void> {
    await this.#store.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const llm of this.#llms) llm.answerFrom(null);
    await this.#index[Symbol.asyncDispose]();
  }

  get #llms(): readonly BatchedLLM[] {
    return this.#options.job.steps.batched;
  }

  async #throughFile(given: BatchFile): Promise<"ready" | "parked"> {
    const { onNotice } = this.#options;
    const other = this.#store.batches.find((entry) => !entry.isSettled && !isInFile(entry));
    if (other !== undefined) throw underWay(other.number);
    const [first, ...more] = this.#store.batches.filter(isInFile);
    if ("read" in given) {
      if (first === undefined) throw nothingWritten();
      await takeIn(this.#store, first, given.read);
      const { results, unreadable } = await this.#read(first);
      const lost = unreadable === 0 ? "" : `, and ${unreadable} lines that are no results`;
      onNotice(`${given.read} holds ${results} results${lost}.`);
      await this.#store.change(first.number, { isSettled: true });
    } else if (first !== undefined) await this.#store.forget(first);
    for (const entry of more) await this.#store.forget(entry);
    if (!(await this.#rehearse(IN_A_FILE))) {
      this.#answerFromFiles();
      return "ready";
    }
    const entries = this.#store.batches.filter(isInFile);
    const all = counted(entries.reduce((sum, { requests }) => sum + requests, 0));
    if ("read" in given) {
      onNotice(`${all} have no answer yet: read further results, or write what is left with \`tiding batch write\`.`);
    } else {
      await writeOut(this.#store, entries, given.write);
      onNotice(
        `Wrote ${all} into ${entries.length === 1 ? given.write : `${entries.length} files, ${given.write} and on`}.`,
      );
    }
    return "parked";
  }

  /** False when nothing had to be asked. @param status of the batches for what had to be */
  async #rehearse(status = "not submitted"): Promise<boolean> {
    const { job, output, signal, onStep, limits } = this.#options;
    const files = new RequestFiles(this.#store, limits);
    let known = 0;
    for (const [index, llm] of this.#llms.entries()) {
      llm.answerFrom(async (request) => {
        const answer = await this.#index.answerTo(request.customId);
        if (answer !== null) {
          known += 1;
          return answer;
        }
        await files.add(index, request);
        throw new TidingError("AWAITS_BATCH", "The answer comes with a batch.");
      });
    }
    try {
      await rehearseRows(job, output, signal);
    } catch (error) {
      await files.abandon();
      throw error;
    }
    const written = await files.finish();
    if (written.length === 0) return false;
    const { landed, retry } = output.manifest;
    // Else such a job would pay for all of its rows in every round, for ever.
    if (known === 0 && this.#index.size > 0 && (retry?.landed ?? landed).length === 0) throw unrepeatable();
    onStep("requests-written");
    const first = this.#store.nextNumber;
    const entries = written.map((file, index): BatchEntry => ({
      ...file,
      number: first + index,
      endpoint: this.#llmOf(file.llm).api.endpoint,
      recordedAt: Date.now(),
      id: null,
      status,
      completed: null,
      failed: null,
      expiresAt: null,
      isSettled: false,
    }));
    await this.#store.add(entries);
    for (const { submission } of entries) this.#isNew.add(submission);
    onStep("requests-recorded");
    return true;
  }

  #answerFromFiles(): void {
    for (const llm of this.#llms) {
      llm.answerFrom(async ({ customId }) => {
        const answer = await this.#index.answerTo(customId);
        if (answer !== null) return answer;
        throw unrepeatable();
      });
    }
  }

  async #submit(entry: BatchEntry): Promise<void> {
    const { onNotice, onStep } = this.#options;
    const api = this.#apiOf(entry);
    const isNew = this.#isNew.has(entry.submission);
    const batch = await submitBatch(entry, { store: this.#store, api, patience: this.#patience, isNew, onStep });
    await this.#store.change(entry.number, changeOf(batch));
    onStep("batch-recorded");
    onNotice(`Submitted batch ${entry.number} to ${api.endpoint}: ${counted(entry.requests)}, ${batch.id}.`);
  }

  /** Asks after each batch, and fetches the results of those that have ended. Resolves with the others. */
  async #look(): Promise<readonly BatchEntry[]> {
    const open: BatchEntry[] = [];
    let failure: TidingError | null = null;
    for (const entry of this.#store.batches) {
      if (entry.isSettled || entry.id === null) continue;
      const { id } = entry;
      const api = this.#apiOf(entry);
      const batch = await patiently(() => api.get(id, this.#options.signal), this.#patience);
      if (batch === null) failure ??= await this.#giveUp(entry, "the server does not know it any more");
      else if (ENDED.has(batch.status)) failure ??= await this.#settle(entry, batch);
      else {
        if (entry.status !== batch.status || entry.completed !== (batch.request_counts?.completed ?? null))
          await this.#store.change(entry.number, changeOf(batch));
        open.push({ ...entry, ...changeOf(batch) });
      }
    }
    if (failure !== null) throw failure;
    return open;
  }

  /** Null when the job can go on. */
  async #settle(entry: BatchEntry, batch: RemoteBatch): Promise<TidingError | null> {
    const { onNotice, onStep } = this.#options;
    for (const kind of ["output", "error"] as const) {
      const fileId = batch[`${kind}_file_id`] ?? null;
      if (fileId === null) continue;
      if (!(await this.#download(entry, kind, fileId)))
        return await this.#giveUp(entry, "the server has deleted its results");
      onStep("results-downloaded");
    }
    if (batch.status === "failed") return await this.#giveUp(entry, reasonOf(batch, this.#secretsOf(entry)));
    const { results, unreadable, jobError } = await this.#read(entry);
    if (batch.status === "completed" && results === 0) return await this.#giveUp(entry, "it ended without a result");
    await this.#store.change(entry.number, { ...changeOf(batch), isSettled: true });
    await rm(this.#store.path("requests", entry.submission), { force: true });
    onStep("results-recorded");
    const lost = unreadable === 0 ? "" : ` ${unreadable} lines of it are no results; what they held is asked again.`;
    onNotice(
      `Batch ${entry.number} has ended (${batch.status}): ${results} of ${counted(entry.requests)} came back.${lost}`,
    );
    if (jobError !== null || batch.status !== "cancelled") return jobError;
    return new TidingError(
      "BATCH_FAILED",
      `Batch ${entry.number} was cancelled at the server; what it had answered is kept.`,
      {
        place: entry.id ?? entry.endpoint,
        mend: "Run the same command again to submit the rest anew.",
      },
    );
  }

  async #download(entry: BatchEntry, kind: "output" | "error", fileId: string): Promise<boolean> {
    const whole = this.#store.path(kind, entry.submission);
    const part = `${whole}.part`;
    const api = this.#apiOf(entry);
    const isThere = await patiently(() => api.download(fileId, part, this.#options.signal), this.#patience);
    if (isThere) await this.#store.keep(part, whole);
    return isThere;
  }

  /** Adds the results of a batch to what can be answered. */
  async #read(entry: BatchEntry): Promise<Indexed> {
    const { context } = this.#apiOf(entry);
    let sum: Indexed = { results: 0, unreadable: 0, jobError: null };
    for (const kind of ["output", "error"] as const) {
      const path = this.#store.path(kind, entry.submission);
      const { results, unreadable, jobError } = (await this.#index.add(path, context)) ?? NOTHING;
      sum = {
        results: sum.results + results,
        unreadable: sum.unreadable + unreadable,
        jobError: sum.jobError ?? jobError,
      };
    }
    return sum;
  }

  /** The next run submits its requests in another batch. */
  async #giveUp(entry: BatchEntry, why: string): Promise<TidingError> {
    await this.#store.forget(entry);
    return new TidingError("BATCH_FAILED", `Batch ${entry.number} of ${counted(entry.requests)} failed: ${why}.`, {
      place: entry.id ?? entry.endpoint,
      mend: "Mend the cause and run the same command again, which submits those requests anew.",
    });
  }

  #tellWaiting(open: readonly BatchEntry[], blockMs: number): void {
    const done = open.reduce((sum, { completed, failed }) => sum + (completed ?? 0) + (failed ?? 0), 0);
    const all = open.reduce((sum, { requests }) => sum + requests, 0);
    const notice = `Waiting for ${open.length === 1 ? "a batch" : `${open.length} batches`}: ${done} of ${counted(all)} done.`;
    if (notice !== this.#told) this.#options.onNotice(`${notice} Looking every ${blockMs / 1_000} s.`);
    this.#told = notice;
  }

  #llmOf(index: number): BatchedLLM {
    const llm = this.#llms[index];
    if (llm === undefined) throw new TidingError("INTERNAL", `There is no LLM ${index} in this job.`);
    return llm;
  }

  #secretsOf({ llm }: BatchEntry): readonly string[] {
    return this.#llmOf(llm).api.context.secrets;
  }

  /** Throws `USAGE` for a batch that another server has. */
  #apiOf({ llm, number, endpoint }: BatchEntry): BatchedLLM["api"] {
    const { api } = this.#llmOf(llm);
    if (api.endpoint === endpoint) return api;
    throw new TidingError(
      "USAGE",
      `Batch ${number} of this job was submitted to ${endpoint}, not to ${api.endpoint}.`,
      {
        place: `base_url`,
        mend: `Put base_url back to ${endpoint} until the job has finished, or choose another output.path.`,
      },
    );
  }
}

function unrepeatable(): TidingError {
  return new TidingError("TASK_INVALID", "Rows ask for something else each time that they run.", {
    mend: "With offline batches a task must ask the same for the same row: take `seed` for its random choices.",
  });
}

const NOTHING: Indexed = { results: 0, unreadable: 0, jobError: null };

function changeOf({ id, status, request_counts, expires_at }: RemoteBatch): Partial<BatchEntry> {
  return {
    id,
    status,
    completed: request_counts?.completed ?? null,
    failed: request_counts?.failed ?? null,
    expiresAt: typeof expires_at === "number" ? new Date(expires_at * 1_000).toISOString() : null,
  };
}

function reasonOf({ errors }: RemoteBatch, secrets: readonly string[]): string {
  const [first] = errors?.data ?? [];
  const words = quotable(first?.message ?? first?.code ?? "", [], secrets).replace(/\.$/, "");
  return words === "" ? "the server does not say why" : words;
}

function counted(requests: number): string {
  return `${requests} ${requests === 1 ? "request" : "requests"}`;
}
