/**
 * The way of every LLM call: a slot, a request, and what to do when it fails.
 *
 *   waiting --slot--> running --answer--> settled
 *      ^                 |
 *      |                 +-- back-pressure, endpoint down: to the head of the line, no attempt counted
 *      +--- backing off <+-- transient: one attempt poorer, the slot given back meanwhile
 *                        +-- nothing sent, the row or the spec at fault: settled, as if it never had the slot
 *
 * Guaranteed: a slot is held for one request and no longer; a call settles once; an aborted call gives its slot back at
 * once, even where an LLM does not heed the signal. Not guaranteed: an order of calls, beyond that those which had their
 * turn before come first.
 */
import { isTidingError } from "../../shared/errors.ts";
import type { TidingError } from "../../shared/errors.ts";
import type { CallCounts, EndpointProgress } from "../../shared/observe/job-report.ts";
import type { Generation, LLMInput, StructuredOutput } from "../../shared/task/task.ts";
import { onAbort } from "../llms/abort-listeners.ts";
import type { LLM, ServedModel } from "../llms/llm.ts";
import { Roster } from "../roster.ts";
import { CallCounter } from "./call-counter.ts";
import { CallParameterSets } from "./call-parameters.ts";
import { decideRetry, saysNothingOfEndpoint } from "./decide-retry.ts";
import { EndpointProber } from "./endpoint-prober.ts";
import { EndpointRouter, seconds } from "./endpoint-router.ts";
import { answerOf, cutAnswer, errorOfCall, GatewayCall, unknownError } from "./gateway-call.ts";
import type { GatewayAnswer, SeedFor } from "./gateway-call.ts";
import { SlotPool } from "./slot-pool.ts";
import { SlotUseMeter } from "./slot-use.ts";
import type { SlotUse } from "./slot-use.ts";
import { WaitingLine } from "./waiting-line.ts";
import { WakeTimer } from "./wake-timer.ts";

export interface LLMGatewayOptions {
  readonly llm: LLM;
  /** Per endpoint. */
  readonly slots: number;
  /** Tries of one call before it fails. */
  readonly attempts: number;
  /** How long to wait for any endpoint before calls are rejected with `NO_ENDPOINT`. */
  readonly endpointWaitMs: number;
  /** Reject answers that were cut by the token limit, with `ANSWER_CUT`. */
  readonly failOnLength: boolean;
  readonly generationKwargs: Readonly<Record<string, unknown>>;
  /** Epoch milliseconds that never go back. */
  readonly now?: () => number;
  /** 0 to 1, for backoff. */
  readonly random?: () => number;
}

export interface GatewayGenerateOptions {
  /** Laid over the gateway's for this call. */
  readonly generationKwargs?: Readonly<Record<string, unknown>> | undefined;
  readonly structuredOutput?: StructuredOutput | undefined;
  readonly preQuery?: boolean | undefined;
  readonly seedFor: SeedFor;
  readonly signal: AbortSignal;
}

export class LLMGateway implements AsyncDisposable {
  readonly #options: LLMGatewayOptions;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #router: EndpointRouter;
  readonly #line = new WaitingLine<GatewayCall>();
  readonly #calls = new Roster<GatewayCall>();
  readonly #prober: EndpointProber;
  readonly #slots: SlotUseMeter;
  readonly #parameters: CallParameterSets;
  readonly #counter = new CallCounter();
  readonly #wake = new WakeTimer(() => this.#woke());
  readonly #closing = new AbortController();
  readonly #listeners: (() => void)[] = [];
  #backingOff = 0;
  #answerMs: number | null = null;
  #callNumber = 0;

  constructor(options: LLMGatewayOptions) {
    this.#options = options;
    const { timeOrigin } = performance;
    this.#now = options.now ?? (() => timeOrigin + performance.now());
    this.#random = options.random ?? Math.random;
    this.#parameters = new CallParameterSets(options.generationKwargs);
    this.#router = new EndpointRouter(options.llm.endpoints.map((endpoint) => new SlotPool(endpoint, options.slots)));
    this.#prober = new EndpointProber({ llm: options.llm, router: this.#router, now: this.#now });
    this.#slots = new SlotUseMeter(this.#router.slots, this.#now());
  }

  /**
   * Calls that want a slot: those in line, and of those backing off what goes beyond one set of slots. So whoever starts
   * rows while this is low keeps the slots full through a few retries, and stops when nearly every call is retried.
   */
  get waiting(): number {
    return this.#line.size + Math.max(0, this.#backingOff - this.#slots.capacity);
  }

  get inUse(): number {
    return this.#slots.inUse;
  }

  /** Slots of all endpoints, usable right now or not. */
  get capacity(): number {
    return this.#slots.capacity;
  }

  /** How long a request took to be answered, over about the last 32; null before the first. */
  get answerMs(): number | null {
    return this.#answerMs;
  }

  /** Calls `listener` whenever `waiting` may have fallen or `capacity` changed; it may start calls at once. */
  onSlotFree(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * One answer, with as many requests as it takes. Rejects with the signal's reason; or with a `TidingError` whose
   * `details` hold attempts, seed and endpoint: of class `row` or `transient` (attempts used up) for the row alone, of
   * class `job`, `usage` or `engine` for the job.
   */
  generate(input: LLMInput, options: GatewayGenerateOptions): Promise<GatewayAnswer> {
    const { signal, seedFor, generationKwargs, structuredOutput = null, preQuery = false } = options;
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason as Error);
    const parameters = this.#parameters.under(generationKwargs);
    return new Promise((resolve, reject) => {
      const call = new GatewayCall({
        number: ++this.#callNumber,
        input,
        generationKwargs: parameters.generationKwargs,
        fixedSeed: parameters.fixedSeed,
        structuredOutput,
        preQuery,
        seedFor,
        signal,
        resolve,
        reject,
        onAbort: this.#onAbort,
      });
      call.place = this.#calls.add(call);
      call.listening = onAbort(signal, call);
      this.#line.add(call, false);
      this.#dispatch();
    });
  }

  /**
   * Asks every endpoint what it serves, and goes on with those that answer. While none does, waits up to `endpointWaitMs`.
   * Throws `NO_ENDPOINT`, `MODEL_NOT_FOUND` when endpoints serve different models, and what an only endpoint refuses with.
   */
  async probe(signal: AbortSignal): Promise<readonly ServedModel[]> {
    const served = await this.#prober.probeAll(signal, this.#now() + this.#options.endpointWaitMs);
    this.#capacityChanged();
    return served;
  }

  counts(): CallCounts {
    return this.#counter.read();
  }

  endpoints(): readonly EndpointProgress[] {
    return this.#router.pools.map((pool) => pool.progress());
  }

  /** While no endpoint is usable: which, why, since when and for how long still; otherwise null. */
  waitingFor(): string | null {
    const sinceMs = this.#router.downSinceMs();
    if (sinceMs === null) return null;
    const nowMs = this.#now();
    const leftMs = sinceMs + this.#options.endpointWaitMs - nowMs;
    return `${this.#router.reasons(nowMs)}. The job stops in ${seconds(leftMs)} if nothing changes.`;
  }

  /** Slots in use and slots there were, summed over time in milliseconds; the difference of two readings is what counts. */
  slotUse(): SlotUse {
    return this.#slots.read(this.#now());
  }

  /** Rejects what is under way and closes the LLM. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new DOMException("The gateway was closed.", "AbortError"));
    this.#wake.clear();
    for (const call of this.#calls.members()) this.#settle(call).reject(this.#closing.signal.reason);
    await this.#options.llm.close();
  }

  readonly #onAbort = (call: GatewayCall, reason: unknown): void => {
    this.#settle(call).reject(reason);
    this.#dispatch();
    this.#tellSlotFree();
  };

  /** Gives out slots while there are any, and sees to what time alone will change. */
  #dispatch(): void {
    if (this.#closing.signal.aborted) return;
    const nowMs = this.#now();
    while (this.#line.size > 0) {
      const pool = this.#router.pick(nowMs);
      if (pool === null) break;
      const call = this.#line.take();
      if (call === null) break;
      // One signal may be about to abort many calls, this one among them.
      if (call.options.signal.aborted) this.#settle(call).reject(call.options.signal.reason);
      else this.#start(call, pool, nowMs);
    }
    const refusal = this.#line.size === 0 ? null : this.#router.refusal();
    if (refusal !== null) this.#rejectLine(refusal);
    this.#armWake(nowMs);
  }

  #start(call: GatewayCall, pool: SlotPool, nowMs: number): void {
    pool.take(nowMs);
    this.#slots.taken(nowMs);
    call.pool = pool;
    call.sentAtMs = nowMs;
    this.#counter.sent();
    const { input, generationKwargs, structuredOutput, preQuery, signal } = call.options;
    const { seed } = call;
    this.#request({
      input,
      endpoint: pool.endpoint,
      generationKwargs,
      structuredOutput,
      preQuery,
      seed,
      signal,
    }).then(
      (generation) => this.#answered(call, generation),
      (error: unknown) => this.#failed(call, error),
    );
  }

  /** An LLM of one's own may throw in place of rejecting. */
  #request(call: Parameters<LLM["call"]>[0]): Promise<Generation> {
    try {
      return this.#options.llm.call(call);
    } catch (error) {
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- whatever it threw
      return Promise.reject(error);
    }
  }

  #answered(call: GatewayCall, generation: Generation): void {
    const { pool, sentAtMs } = call;
    if (call.isSettled || pool === null) return;
    const nowMs = this.#now();
    pool.answered(sentAtMs);
    this.#counter.answered(generation);
    const tookMs = nowMs - sentAtMs;
    this.#answerMs = this.#answerMs === null ? tookMs : this.#answerMs + (tookMs - this.#answerMs) / 32;
    const { resolve, reject } = this.#settle(call);
    this.#dispatch();
    if (generation.finishReason === "length" && this.#options.failOnLength) {
      reject(errorOfCall(cutAnswer(generation, pool.endpoint), call, pool.endpoint));
    } else {
      resolve(answerOf(generation, call, { endpoint: pool.endpoint, durationMs: tookMs }));
    }
    this.#tellSlotFree();
  }

  #failed(call: GatewayCall, thrown: unknown): void {
    const { pool, sentAtMs } = call;
    if (call.isSettled || pool === null) return;
    const error = isTidingError(thrown) ? thrown : unknownError(thrown, call);
    const nowMs = this.#now();
    if (saysNothingOfEndpoint(error)) {
      pool.nothingSent(sentAtMs, nowMs);
      this.#counter.notSent();
      this.#settle(call).reject(errorOfCall(error, call, null));
      this.#dispatch();
      this.#tellSlotFree();
      return;
    }
    if (error.class === "back-pressure") pool.saturated(error, sentAtMs, nowMs);
    else if (error.class === "row") pool.answered(sentAtMs);
    else pool.failed(error, call.options.number, nowMs);
    const decision = decideRetry(error, {
      attempt: call.attempt,
      attempts: this.#options.attempts,
      saturations: pool.saturations,
      isEndpointDown: pool.circuit.kind !== "closed",
      hasOtherEndpoints: this.#router.pools.length > 1,
      random: this.#random,
    });
    this.#release(call, nowMs);
    const refusal = decision.kind === "reroute" ? this.#router.refusal() : null;
    if (decision.kind === "fail-row" || decision.kind === "stop-job" || refusal !== null) {
      this.#settle(call).reject(errorOfCall(refusal ?? error, call, pool.endpoint));
    } else {
      // What one of several endpoints refuses is that endpoint's matter, not the job's.
      this.#counter.retried(error.class === "job" ? "endpoint-down" : error.class);
      if (error.code === "RESPONSE_INVALID") call.deriveNewSeed();
      if (decision.kind === "back-off") {
        call.attempt++;
        this.#backOff(call, decision.afterMs);
      } else {
        if (decision.kind === "wait-turn") pool.rest(nowMs + decision.restMs);
        this.#line.add(call, true);
      }
    }
    this.#dispatch();
    this.#tellSlotFree();
  }

  #rejectLine(error: TidingError): void {
    for (let call = this.#line.take(); call !== null; call = this.#line.take()) {
      this.#settle(call).reject(errorOfCall(error, call, null));
    }
  }

  #backOff(call: GatewayCall, afterMs: number): void {
    this.#backingOff++;
    call.timer = setTimeout(() => {
      call.timer = null;
      this.#backingOff--;
      this.#line.add(call, true);
      this.#dispatch();
      this.#tellSlotFree();
    }, afterMs);
  }

  /** Takes a call out of wherever it is; what it resolves or rejects with is the caller's to say. */
  #settle(call: GatewayCall): { resolve: (answer: GatewayAnswer) => void; reject: (error: unknown) => void } {
    call.isSettled = true;
    this.#line.leave(call);
    this.#release(call, this.#now());
    if (call.timer !== null) {
      clearTimeout(call.timer);
      call.timer = null;
      this.#backingOff--;
    }
    call.place?.leave();
    call.listening?.leave();
    return call.options;
  }

  #release(call: GatewayCall, nowMs: number): void {
    if (call.pool === null) return;
    call.pool.release();
    call.pool = null;
    this.#slots.released(nowMs);
  }

  /** After a probe, which may have capped slots or let requests in again. */
  #capacityChanged(): void {
    this.#slots.resized(this.#router.slots, this.#now());
    this.#dispatch();
    this.#tellSlotFree();
  }

  #tellSlotFree(): void {
    for (const listener of this.#listeners) listener();
  }

  /** One timer for all endpoints: the next probe, trial, end of a rest, or the moment to stop waiting. */
  #armWake(nowMs: number): void {
    if (this.#prober.isAtStart) return;
    let atMs = this.#router.wakeAtMs(nowMs);
    const downSinceMs = this.#line.size === 0 ? null : this.#router.downSinceMs();
    if (downSinceMs !== null) atMs = Math.min(atMs, downSinceMs + this.#options.endpointWaitMs);
    this.#wake.setTo(atMs, nowMs);
  }

  #woke(): void {
    const nowMs = this.#now();
    const downSinceMs = this.#router.downSinceMs();
    if (downSinceMs !== null && nowMs >= downSinceMs + this.#options.endpointWaitMs) {
      this.#rejectLine(this.#router.noEndpoint(nowMs));
    }
    for (const pool of this.#router.pools) {
      if (pool.circuit.kind === "open" && nowMs >= pool.circuit.probeAtMs) {
        void this.#prober.probeAgain(pool, this.#closing.signal).then(() => this.#capacityChanged());
      }
    }
    this.#dispatch();
    this.#tellSlotFree();
  }
}
