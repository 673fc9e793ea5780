/**
 * A stage of a benchmark played in virtual time against a scheduler: what a client that loses no time sees of a server that
 * loses none. No I/O and no clock; of the load generator only the schedule.
 */
import { openings, schedule } from "../../load/arrivals.ts";
import type { StageLoad } from "../../load/stage-load.ts";
import type { Scheduler, Step } from "../../simulator/batching/scheduler.ts";
import type { KnownAnswer } from "./known-answers.ts";
import type { PlainRequest } from "./plain-request.ts";

interface Played extends PlainRequest {
  readonly answer: KnownAnswer;
  sentMs: number | null;
  readonly tokensMs: number[];
  endMs: number | null;
  outcome: "ok" | "error" | "never-sent";
  error: string | null;
  queuedMs: number;
}

export interface PlayedRequest extends PlainRequest {
  /** In the server, before it had a place. */
  readonly queuedMs: number;
}

/**
 * Plays the stage to its last answer. `answerOf` is asked by the position in the stage. Throws a RangeError where an answer
 * would outlast the grace: what a client cuts is not played.
 */
export function playStage(
  load: StageLoad,
  server: { readonly engine: Scheduler; readonly answerOf: (index: number) => KnownAnswer },
): readonly PlayedRequest[] {
  const stage = new VirtualStage(load, server);
  stage.play();
  return stage.requests;
}

class VirtualStage {
  readonly requests: Played[] = [];
  readonly #engine: Scheduler;
  readonly #answerOf: (index: number) => KnownAnswer;
  readonly #isClosed: boolean;
  /** When requests are due that no answer brings about. */
  readonly #arrivals: readonly number[];
  readonly #mostInFlight: number;
  readonly #sendForMs: number;
  readonly #graceMs: number;
  readonly #most: number;
  readonly #inFlight = new Map<number, Played>();
  /** By their positions, as they came due. */
  readonly #waiting: number[] = [];
  #arrived = 0;
  #step: Step | null = null;
  #stepEndMs = 0;

  constructor(load: StageLoad, { engine, answerOf }: { engine: Scheduler; answerOf: (index: number) => KnownAnswer }) {
    const { arrivals, seconds, requests, maxInFlight, graceSeconds } = load;
    this.#engine = engine;
    this.#answerOf = answerOf;
    this.#isClosed = arrivals.kind === "closed";
    this.#arrivals = arrivalsOf(load);
    this.#mostInFlight = arrivals.kind === "closed" ? arrivals.concurrency : maxInFlight;
    this.#sendForMs = (seconds ?? Number.POSITIVE_INFINITY) * 1_000;
    this.#graceMs = graceSeconds * 1_000;
    this.#most = requests ?? Number.POSITIVE_INFINITY;
  }

  play(): void {
    for (;;) {
      const dueMs = this.#arrivals[this.#arrived] ?? Number.POSITIVE_INFINITY;
      const stepMs = this.#step === null ? Number.POSITIVE_INFINITY : this.#stepEndMs;
      if (Math.min(dueMs, stepMs) === Number.POSITIVE_INFINITY) return;
      if (dueMs <= stepMs) {
        this.#arrived++;
        this.#arrive(dueMs);
      } else this.#finishStep();
    }
  }

  #arrive(dueMs: number): void {
    const answer = this.#answerOf(this.requests.length);
    const { outputTokens, finishReason } = answer;
    const request: Played = {
      answer,
      scheduledMs: dueMs,
      sentMs: null,
      tokensMs: [],
      endMs: null,
      outcome: "never-sent",
      error: null,
      finishReason,
      promptTokens: answer.fault === null ? answer.promptTokens : null,
      outputTokens,
      queuedMs: 0,
    };
    const id = this.requests.push(request) - 1;
    if (this.#inFlight.size < this.#mostInFlight) this.#send(id, dueMs);
    else this.#waiting.push(id);
  }

  #send(id: number, nowMs: number): void {
    const request = this.requests[id]!;
    const { promptTokens, outputTokens, maxTokens, fault } = request.answer;
    request.sentMs = nowMs;
    this.#inFlight.set(id, request);
    if (fault?.at === "refused") return this.#fail(id, fault.error, nowMs);
    this.#engine.submit({ id, promptTokens, maxNewTokens: maxTokens, outputTokens }, nowMs);
    if (this.#step === null) this.#beginStep(nowMs);
  }

  #beginStep(nowMs: number): void {
    this.#step = this.#engine.startStep(nowMs);
    if (this.#step === null) return;
    this.#stepEndMs = nowMs + this.#step.durationMs;
    for (const { id, queuedMs } of this.#step.admitted) this.requests[id]!.queuedMs += queuedMs;
  }

  #finishStep(): void {
    const nowMs = this.#stepEndMs;
    for (const { id, tokens, ended } of this.#step!.emitted) {
      const request = this.#inFlight.get(id);
      if (request === undefined) continue;
      const { fault, outputTokens } = request.answer;
      if (fault?.at !== "first") for (let token = 0; token < tokens; token++) request.tokensMs.push(nowMs);
      const isCut = fault !== null && (fault.at === "first" || request.tokensMs.length >= outputTokens >>> 1);
      if (isCut) {
        this.#engine.cancel(id);
        this.#fail(id, fault.error, nowMs);
      } else if (ended) this.#settle(id, "ok", nowMs);
    }
    this.#beginStep(nowMs);
  }

  #fail(id: number, error: string, nowMs: number): void {
    const request = this.#inFlight.get(id)!;
    request.error = error;
    this.#settle(id, "error", nowMs);
  }

  #settle(id: number, outcome: "ok" | "error", nowMs: number): void {
    const request = this.#inFlight.get(id)!;
    request.outcome = outcome;
    request.endMs = nowMs;
    this.#inFlight.delete(id);
    if (nowMs > this.#sendForMs + this.#graceMs)
      throw new RangeError(`An answer came after the grace, at ${nowMs} ms.`);
    if (nowMs >= this.#sendForMs) return;
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) this.#send(waiting, nowMs);
    else if (this.#isClosed && this.requests.length < this.#most) this.#arrive(nowMs);
  }
}

function arrivalsOf(load: StageLoad): number[] {
  const { arrivals, requests, rampSeconds } = load;
  switch (arrivals.kind) {
    case "closed":
      return openings(Math.min(arrivals.concurrency, requests ?? arrivals.concurrency), rampSeconds);
    case "at-once":
      return Array.from({ length: requests ?? 0 }, () => 0);
    default:
      // In microseconds, as records are: the quotient of a rate may miss a window's edge by its last digit.
      return Array.from(schedule(load), ({ dueMs }) => Math.round(dueMs * 1_000) / 1_000);
  }
}
