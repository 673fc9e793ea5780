/**
 * The scheduler of TGI v3's router (`backends/v3/src/queue.rs` and `backend.rs`) as a pure function of what is submitted
 * and when: first come first served with a head of line that blocks, memory taken in full before a request starts,
 * prompts in chunks beside decoding (or whole, holding up the others), a decode step between any two admissions, and back
 * to the end of the queue after 1,024 new tokens.
 *
 * Left out: speculation, padded models, and the tokenizer's workers.
 */

import { TidingError } from "../../../shared/errors.ts";
import type { BatchOptions } from "./batch-options.ts";
import { KvBlocks } from "./kv-blocks.ts";
import type { KvAllocation } from "./kv-blocks.ts";
import type { Admission, BatchGauges, BatchRequest, Emission, Scheduler, Step } from "./scheduler.ts";
import { stepMs } from "./step-time.ts";
import { ownIds } from "./token-ids.ts";

/** The most new tokens that TGI allots at once (`DEFAULT_GENERATION_LENGTH`). */
export const ALLOTTED_TOKENS = 1024;

interface Waiting {
  readonly id: number;
  /** Of the prompt, and of what was generated before it came back. */
  readonly inputTokens: number;
  /** New tokens still allowed. */
  readonly allowedTokens: number;
  /** New tokens still to come. */
  readonly remainingTokens: number;
  readonly ids: Uint32Array | null;
  readonly queuedMs: number;
  readonly continued: boolean;
}

interface Running extends Waiting {
  readonly allocation: KvAllocation;
  /** Of the input, what needs no more prefill. */
  computedTokens: number;
  generatedTokens: number;
}

interface LetIn {
  readonly requests: Running[];
  /** Prompt tokens of each that the coming step computes. */
  readonly chunks: number[];
}

export class BatchEngine implements Scheduler {
  readonly #options: BatchOptions;
  readonly #blocks: KvBlocks;
  #queue: Waiting[] = [];
  #running: Running[] = [];
  readonly #known = new Set<number>();
  readonly #gone = new Set<number>();
  /** What the step under way ends or sends back to the queue. */
  #leaving: { readonly request: Running; readonly returns: boolean }[] = [];
  #owesDecode = false;
  /** Decode steps since requests were last let in. */
  #decodes = 1;

  constructor(options: BatchOptions) {
    this.#options = options;
    this.#blocks = new KvBlocks(options);
  }

  submit(request: BatchRequest, nowMs: number): boolean {
    const { id, promptTokens, maxNewTokens, outputTokens, prefix } = request;
    const limit = this.#options.maxConcurrentRequests;
    if (limit > 0 && this.#known.size >= limit) return false;
    if (!this.#fits(promptTokens, maxNewTokens)) throw tooLarge(request);
    this.#known.add(id);
    this.#queue.push({
      id,
      inputTokens: promptTokens,
      allowedTokens: maxNewTokens,
      remainingTokens: Math.min(outputTokens, maxNewTokens),
      ids: prefix ?? null,
      queuedMs: nowMs,
      continued: false,
    });
    return true;
  }

  cancel(id: number): void {
    if (!this.#known.delete(id)) return;
    const queued = this.#queue.findIndex((waiting) => waiting.id === id);
    if (queued >= 0) this.#queue.splice(queued, 1);
    else this.#gone.add(id);
  }

  startStep(nowMs: number): Step | null {
    this.#settle(nowMs);
    if (this.#running.length === 0) {
      const { maxBatchSize, maxBatchPrefillTokens } = this.#options;
      const letIn = this.#letIn({ budget: maxBatchPrefillTokens, most: maxBatchSize, least: 0 });
      this.#owesDecode = false;
      this.#decodes = 1;
      return letIn === null ? null : this.#prefill(letIn, { nowMs, beside: false, concat: null });
    }
    if (this.#owesDecode) return this.#decode();
    return (this.#options.chunkedPrefill ? this.#joinInChunks(nowMs) : this.#joinWhole(nowMs)) ?? this.#decode();
  }

  failBatch(): number[] {
    const lost = this.#running.filter(({ id }) => this.#known.delete(id)).map(({ id }) => id);
    for (const request of this.#running) this.#blocks.release(request.allocation, null);
    this.#running = [];
    this.#leaving = [];
    this.#gone.clear();
    return lost;
  }

  gauges(): BatchGauges {
    return {
      queued: this.#queue.length,
      running: this.#running.length,
      batchMaxTokens: this.#running.reduce((sum, { inputTokens, allowedTokens }) => {
        return sum + inputTokens + Math.min(allowedTokens, ALLOTTED_TOKENS);
      }, 0),
      kvTokens: this.#blocks.capacityTokens,
      kvTakenTokens: this.#blocks.takenTokens,
      kvCachedTokens: this.#blocks.cachedTokens,
    };
  }

  /** Carries out what the last step ended: only now are its blocks free and its returning requests in the queue. */
  #settle(nowMs: number): void {
    for (const { request, returns } of this.#leaving) {
      this.#blocks.release(request.allocation, request.ids);
      if (returns && !this.#gone.has(request.id)) this.#queue.push(continuationOf(request, nowMs));
    }
    const left = new Set(this.#leaving.map(({ request }) => request));
    this.#leaving = [];
    if (left.size > 0) this.#running = this.#running.filter((request) => !left.has(request));
    if (this.#gone.size === 0) return;
    this.#running = this.#running.filter((request) => {
      if (!this.#gone.has(request.id)) return true;
      this.#blocks.release(request.allocation, isComputed(request) ? request.ids : null);
      return false;
    });
    this.#gone.clear();
  }

  #joinInChunks(nowMs: number): Step | null {
    let taken = 0;
    for (const request of this.#running) taken += Math.max(1, request.inputTokens - request.computedTokens);
    const budget = this.#options.maxBatchPrefillTokens - taken;
    const letIn = this.#letIn({ budget, most: null, least: 0 });
    if (letIn === null) return null;
    this.#owesDecode = true;
    return this.#prefill(letIn, { nowMs, beside: true, concat: "chunking" });
  }

  #joinWhole(nowMs: number): Step | null {
    const { waitingServedRatio, maxWaitingTokens, maxBatchSize, maxBatchPrefillTokens } = this.#options;
    const running = this.#running.length;
    const waitedLong = this.#decodes >= maxWaitingTokens;
    const letIn = this.#letIn({
      budget: maxBatchPrefillTokens,
      most: maxBatchSize === null ? null : Math.max(0, maxBatchSize - running),
      least: waitedLong ? 0 : Math.floor(running * waitingServedRatio),
    });
    if (letIn === null) return null;
    this.#owesDecode = true;
    this.#decodes = 1;
    const concat = waitedLong ? "wait_exceeded" : "backpressure";
    return this.#prefill(letIn, { nowMs, beside: false, concat });
  }

  /** Requests from the head of the queue that fit, or null where none does, or fewer than `least`. */
  #letIn({ budget, most, least }: { budget: number; most: number | null; least: number }): LetIn | null {
    if (this.#queue.length < least || budget <= 0 || most === 0) return null;
    const letIn: LetIn = { requests: [], chunks: [] };
    let left = budget;
    for (const waiting of this.#queue) {
      const allocation = this.#blocks.allocate(neededTokens(waiting.inputTokens, waiting.allowedTokens), waiting.ids);
      if (allocation === null) break;
      // One token is computed even of a prompt that is held as a whole: the first new token comes from it.
      const computedTokens = Math.min(allocation.cachedTokens, waiting.inputTokens - 1);
      const lacking = waiting.inputTokens - computedTokens;
      const chunk = this.#options.chunkedPrefill ? Math.min(lacking, left) : lacking;
      if (chunk === 0 || chunk > left) {
        this.#blocks.release(allocation, null);
        break;
      }
      letIn.requests.push({ ...waiting, allocation, computedTokens, generatedTokens: 0 });
      letIn.chunks.push(chunk);
      left -= chunk;
      if (letIn.requests.length === most || chunk < lacking) break;
    }
    const count = letIn.requests.length;
    if (count === 0) return null;
    if (count < least) {
      for (const { allocation } of letIn.requests) this.#blocks.release(allocation, null);
      return null;
    }
    this.#queue.splice(0, count);
    return letIn;
  }

  /** A step that computes prompts of requests let in: `beside` the running ones, or alone. */
  #prefill(letIn: LetIn, options: { nowMs: number; beside: boolean; concat: Step["concat"] }): Step {
    const { nowMs, beside, concat } = options;
    const earlier = this.#running;
    const admitted = letIn.requests.map(({ id, queuedMs, allocation, continued }): Admission => {
      return { id, queuedMs: nowMs - queuedMs, cachedTokens: allocation.cachedTokens, continued };
    });
    this.#running = [...earlier, ...letIn.requests];
    const chunks = beside ? [...this.#dueChunks(earlier), ...letIn.chunks] : letIn.chunks;
    const taking = beside ? this.#running : letIn.requests;
    return { kind: "prefill", concat, admitted, ...this.#forward(taking, chunks) };
  }

  #decode(): Step {
    this.#owesDecode = false;
    this.#decodes++;
    const work = this.#forward(this.#running, this.#dueChunks(this.#running));
    return { kind: "decode", concat: null, admitted: [], ...work };
  }

  /** Prompt tokens that each request computes next: what the budget leaves, older ones first, at least one; 0 decodes. */
  #dueChunks(requests: readonly Running[]): number[] {
    let left = this.#options.maxBatchPrefillTokens;
    for (const request of requests) if (isComputed(request)) left--;
    return requests.map((request) => {
      if (isComputed(request)) return 0;
      const chunk = Math.min(request.inputTokens - request.computedTokens, Math.max(1, left));
      left -= chunk;
      return chunk;
    });
  }

  #forward(requests: readonly Running[], chunks: readonly number[]) {
    const emitted: Emission[] = [];
    let prefillTokens = 0;
    let contextTokens = 0;
    for (const [index, request] of requests.entries()) {
      const chunk = chunks[index]!;
      prefillTokens += chunk;
      request.computedTokens += chunk;
      contextTokens += request.computedTokens + request.generatedTokens;
      if (isComputed(request)) emitted.push(this.#emit(request));
    }
    const sequences = requests.length;
    const durationMs = stepMs(this.#options.stepTime, { sequences, prefillTokens, contextTokens });
    return { durationMs, sequences, prefillTokens, emitted };
  }

  #emit(request: Running): Emission {
    request.generatedTokens++;
    const { id, generatedTokens, remainingTokens, inputTokens, allowedTokens } = request;
    const atAllotment = generatedTokens === ALLOTTED_TOKENS && generatedTokens < remainingTokens;
    // As TGI: what cannot be scheduled again ends as if by length.
    const returns = atAllotment && this.#fits(inputTokens + generatedTokens, allowedTokens - generatedTokens);
    const ended = generatedTokens === remainingTokens || (atAllotment && !returns);
    if (ended) this.#known.delete(id);
    if (ended || returns) this.#leaving.push({ request, returns });
    return { id, tokens: 1, ended };
  }

  #fits(inputTokens: number, allowedTokens: number): boolean {
    const { chunkedPrefill, maxBatchPrefillTokens, maxTotalTokens } = this.#options;
    if (!chunkedPrefill && inputTokens > maxBatchPrefillTokens) return false;
    const needed = neededTokens(inputTokens, allowedTokens);
    return needed <= this.#blocks.capacityTokens && (maxTotalTokens === null || needed < maxTotalTokens);
  }
}

// The last new token is never read again, so it needs no place.
function neededTokens(inputTokens: number, allowedTokens: number): number {
  return inputTokens + Math.min(allowedTokens, ALLOTTED_TOKENS) - 1;
}

function isComputed({ inputTokens, computedTokens }: Running): boolean {
  return computedTokens === inputTokens;
}

function continuationOf(request: Running, nowMs: number): Waiting {
  const { id, inputTokens, allowedTokens, remainingTokens, generatedTokens, ids } = request;
  const known = ids?.length ?? 0;
  const input = inputTokens + generatedTokens;
  return {
    id,
    inputTokens: input,
    allowedTokens: allowedTokens - generatedTokens,
    remainingTokens: remainingTokens - generatedTokens,
    ids: ids === null ? null : Uint32Array.of(...ids, ...ownIds(id, known, input)),
    queuedMs: nowMs,
    continued: true,
  };
}

function tooLarge({ promptTokens, maxNewTokens }: BatchRequest): TidingError {
  const wanted = `${promptTokens} prompt tokens and ${maxNewTokens} new ones`;
  return new TidingError("USAGE", `A request of ${wanted} can never run in this batch.`, {
    place: "batch",
    mend: "Ask for less, or give the batch more memory, a larger prefill budget or more total tokens.",
  });
}
