/** The life of a generation request: let in or refused, answered or made to go wrong, counted and logged once. */

import { performance } from "node:perf_hooks";
import type { ServerResponse } from "node:http";
import { clockMs } from "../fine-timer.ts";
import type { Lateness } from "../lateness.ts";
import { answerForHash } from "./answer.ts";
import type { Answer } from "./answer.ts";
import { answerTokensFor } from "./answer-length.ts";
import { BatchServing } from "./batch-serving.ts";
import type { BatchGauges } from "./batching/scheduler.ts";
import { invalid, OVERLOADED } from "./bodies.ts";
import { drawFault, IMMEDIATE } from "./faults.ts";
import type { FaultKind } from "./faults.ts";
import type { GenerationCall } from "./generation-call.ts";
import { hashText, hexOf, keyOf } from "./hash.ts";
import { latencyMs } from "./latency.ts";
import type { SimulatorOptions } from "./options.ts";
import type { Readiness } from "./readiness.ts";
import { Replicas } from "./replicas.ts";
import { isWrong, openStream, sendAnswer, sendError, sendFault } from "./reply.ts";
import type { ReplyParts, WrongAnswer } from "./reply.ts";
import type { RequestLog } from "./request-log.ts";
import { ServerMetrics } from "./server-metrics.ts";
import { cutOddly } from "./odd-chunks.ts";
import type { Turn } from "./turn.ts";

export interface GenerationStats {
  /** Requests to the generation routes, the refused ones included. */
  readonly requests: number;
  /** Right answers given in full. */
  readonly answers: number;
  /** Distinct prompts that were let in. */
  readonly prompts: number;
  readonly inFlight: number;
  readonly maxInFlight: number;
  /** Ended requests: the outcomes of the log, and `rejected` for those that never became a call (400, 401, 413, 415, 422). */
  readonly byOutcome: Readonly<Record<string, number>>;
  /** Of all replicas together, where requests run in batches. */
  readonly batch?: BatchGauges;
  /** From when a step was due to end until its last token was handed out, since the last `resetLateness`. */
  readonly lateness?: Lateness;
}

export class Generation {
  readonly #options: SimulatorOptions;
  readonly #log: RequestLog | null;
  readonly #metrics: ServerMetrics;
  readonly #modelJson: string;
  readonly #hasFaults: boolean;
  readonly #readiness: Readiness;
  readonly #replicas: Replicas | null;
  readonly #serving: BatchServing | null;
  readonly #timesSeen = new Map<number, number>();
  readonly #byOutcome = new Map<string, number>();
  #requests = 0;
  #answers = 0;
  #inFlight = 0;
  #maxInFlight = 0;
  #whenIdle: (() => void) | null = null;

  /** Throws `USAGE` for options of the batch that do not fit. */
  constructor(options: SimulatorOptions, { log, readiness }: { log: RequestLog | null; readiness: Readiness }) {
    this.#options = options;
    this.#log = log;
    this.#readiness = readiness;
    this.#metrics = new ServerMetrics(options);
    this.#modelJson = JSON.stringify(options.model);
    this.#hasFaults = Object.keys(options.faults).length > 0;
    this.#replicas = Replicas.open(options, {
      stepped: (step, seconds) => this.#metrics.countStep(step, seconds),
      failed: (kind) => this.#metrics.countFailedStep(kind),
    });
    this.#serving =
      this.#replicas === null
        ? null
        : new BatchServing(options, this.#replicas, {
            sendAnswer: (turn, answer) => sendAnswer(this.#partsOf(turn, answer)),
            sendFault: (turn, fault) => this.#sendFault(turn, fault),
            succeeded: (turn, answer, outcome) => this.#succeed(turn, this.#partsOf(turn, answer), outcome),
            failed: (turn, status, outcome) => this.#fail(turn, status, outcome),
          });
  }

  stats(): GenerationStats {
    return {
      requests: this.#requests,
      answers: this.#answers,
      prompts: this.#timesSeen.size,
      inFlight: this.#inFlight,
      maxInFlight: this.#maxInFlight,
      byOutcome: Object.fromEntries(this.#byOutcome),
      ...(this.#replicas === null ? {} : { batch: this.#replicas.gauges(), lateness: this.#replicas.lateness() }),
    };
  }

  renderMetrics(): string {
    return this.#metrics.render(this.#inFlight, this.#replicas?.gauges() ?? null);
  }

  resetLateness(): void {
    this.#replicas?.resetLateness();
  }

  /** Stops the batches: what they had is never answered. */
  close(): void {
    this.#replicas?.close();
  }

  /** Resolves when nothing is in flight. Cut the connections first: a hanging request ends by that alone. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#inFlight === 0) resolve();
      else this.#whenIdle = resolve;
    });
  }

  /** Counts a request that was refused before it became a call. */
  countRejected(): void {
    this.#requests++;
    this.#count("rejected");
  }

  /** Answers the call, now or later, or does what its fault says. `arrivedMs` by `clockMs`. */
  take(call: GenerationCall, response: ServerResponse, arrivedMs: number): void {
    this.#requests++;
    this.#metrics.countRequest(call.route === "chat");
    const hash = hashText(call.prompt);
    const turn = this.#admit({ call, response, hash, arrivedMs });
    if (turn === null) return;

    if (call.invalid !== null) return this.#refuse(turn, call.invalid);
    if (contains(call.prompt, this.#options.failPrompts)) return this.#refuse(turn, "simulated rejection");
    const fault = this.#faultOf(turn);
    if (fault === "hang") return this.#hang(turn);
    if (fault !== null && IMMEDIATE.has(fault)) return this.#conclude(turn, fault);

    if (this.#serving !== null) {
      this.#endWhenClientLeaves(turn);
      return this.#serving.serve(turn, this.#answerOf(turn), fault);
    }
    const late = fault === "slow-first-byte" || (fault === "latency-spike" && !call.stream);
    const latency = latencyMs(hash, this.#options.latency) + (late ? this.#options.faultDelayMs : 0);
    const odd = fault === "odd-chunks" || fault === "latency-spike";
    if (latency === 0 && !odd) return this.#conclude(turn, fault);
    this.#endWhenClientLeaves(turn);
    if (odd) return this.#answerOddly(turn, fault, latency);
    const writes = call.stream && fault === null ? this.#options.streamWrites : 1;
    this.#after(turn, latency / writes, () => {
      if (writes > 1) this.#streamSlowly(turn, latency / writes);
      else this.#conclude(turn, fault);
    });
  }

  /** Null when too many are in flight: the refusal is sent already. */
  #admit(request: Pick<Turn, "call" | "response" | "hash" | "arrivedMs">): Turn | null {
    const { call, response, hash, arrivedMs } = request;
    const limit = this.#options.maxConcurrentRequests * this.#options.replicas;
    const key = keyOf(hash);
    const seen = this.#timesSeen.get(key) ?? 0;
    const full = limit > 0 && this.#inFlight >= limit;
    if (!full) {
      this.#timesSeen.set(key, seen + 1);
      this.#inFlight++;
      this.#maxInFlight = Math.max(this.#maxInFlight, this.#inFlight);
      this.#readiness.busy();
    }
    const turn: Turn = {
      ...request,
      nth: full ? seen : seen + 1,
      startMs: performance.now() - (clockMs() - arrivedMs),
      inFlight: this.#inFlight,
      outcomeWhenDropped: "dropped",
      stop: null,
      queuedMs: 0,
      tokensMs: this.#options.logTokens ? [] : null,
      status: 0,
      ended: false,
    };
    if (!full) return turn;
    this.#metrics.countFailure("overloaded");
    this.#record(turn, sendError(response, call, OVERLOADED), "overloaded");
    return null;
  }

  #faultOf({ call, hash, nth }: Turn): FaultKind | null {
    if (contains(call.prompt, this.#options.hangPrompts)) return "hang";
    if (!this.#hasFaults) return null;
    return drawFault(hash, nth, { rates: this.#options.faults, seed: this.#options.faultSeed });
  }

  #refuse(turn: Turn, reason: string): void {
    this.#metrics.countFailure("validation");
    this.#end(turn, sendError(turn.response, turn.call, invalid(reason)), "invalid");
  }

  #hang(turn: Turn): void {
    turn.outcomeWhenDropped = "hang";
    turn.status = sendFault(this.#partsOf(turn), "hang", 0);
    this.#endWhenClientLeaves(turn);
  }

  #conclude(turn: Turn, fault: FaultKind | null): void {
    if (fault !== null && isWrong(fault)) return this.#sendFault(turn, fault);
    this.#give(turn, fault ?? "ok");
  }

  /** The right answer, at once. */
  #give(turn: Turn, outcome: string): void {
    const parts = this.#partsOf(turn);
    if (turn.call.stream) turn.response.end(openStream(parts).join(""));
    else sendAnswer(parts);
    this.#succeed(turn, parts, outcome);
  }

  #sendFault(turn: Turn, fault: WrongAnswer): void {
    this.#fail(turn, sendFault(this.#partsOf(turn), fault, this.#options.retryAfterSeconds), fault);
  }

  /** Spreads the events over `streamWrites` writes, the first one now. */
  #streamSlowly(turn: Turn, pauseMs: number): void {
    const events = openStream(this.#partsOf(turn));
    const size = Math.ceil(events.length / this.#options.streamWrites);
    const writes: string[] = [];
    for (let from = 0; from < events.length; from += size) writes.push(events.slice(from, from + size).join(""));
    this.#write(turn, writes, { pauseMs, outcome: "ok" });
  }

  /** A right answer in a strange way; a plain one has none. */
  #answerOddly(turn: Turn, fault: "odd-chunks" | "latency-spike", latency: number): void {
    this.#after(turn, latency, () => {
      if (!turn.call.stream) return this.#give(turn, fault);
      const [first, ...rest] = openStream(this.#partsOf(turn));
      const spike = fault === "latency-spike";
      const writes = spike ? [first!, rest.join("")] : cutOddly(turn.hash, first + rest.join(""));
      this.#write(turn, writes, { pauseMs: spike ? this.#options.faultDelayMs : 0, outcome: fault });
    });
  }

  /** The first one now, each of the others in a turn of its own and after a pause. */
  #write(turn: Turn, writes: readonly string[], how: { readonly pauseMs: number; readonly outcome: string }): void {
    const [now, ...later] = writes;
    turn.status = 200;
    if (later.length === 0) {
      turn.response.end(now);
      return this.#succeed(turn, this.#partsOf(turn), how.outcome);
    }
    turn.response.write(now);
    this.#after(turn, how.pauseMs, () => this.#write(turn, later, how));
  }

  #after(turn: Turn, delayMs: number, run: () => void): void {
    const timer = setTimeout(run, delayMs);
    turn.stop = () => clearTimeout(timer);
  }

  #answerOf({ call, hash }: Turn): Answer {
    const { answerChars, answerTokens, answerLength, seedChangesAnswer } = this.#options;
    return answerForHash(hash, {
      answerChars,
      answerTokens: answerLength === undefined ? answerTokens : answerTokensFor(hash, answerLength),
      maxTokens: call.maxTokens,
      seed: seedChangesAnswer ? call.seed : null,
    });
  }

  #partsOf(turn: Turn, answer = this.#answerOf(turn)): ReplyParts {
    const { call, response, startMs, queuedMs } = turn;
    return {
      call,
      response,
      answer,
      modelJson: this.#modelJson,
      imageBytes: this.#options.imageBytes,
      elapsedMs: performance.now() - startMs,
      queuedMs,
    };
  }

  #succeed(turn: Turn, { answer, elapsedMs }: ReplyParts, outcome: string): void {
    this.#answers++;
    this.#metrics.countSuccess({
      seconds: elapsedMs / 1_000,
      queueSeconds: turn.queuedMs / 1_000,
      promptTokens: turn.call.promptTokens,
      generatedTokens: answer.tokens,
    });
    this.#end(turn, 200, outcome);
  }

  #fail(turn: Turn, status: number, outcome: string): void {
    this.#metrics.countFailure(FAILURES[outcome] ?? "incomplete");
    this.#end(turn, status, outcome);
  }

  #endWhenClientLeaves(turn: Turn): void {
    turn.response.on("close", () => {
      if (turn.ended) return;
      turn.stop?.();
      this.#metrics.countFailure("dropped");
      this.#end(turn, turn.status, turn.outcomeWhenDropped);
    });
  }

  #end(turn: Turn, status: number, outcome: string): void {
    turn.ended = true;
    this.#inFlight--;
    this.#record(turn, status, outcome);
    if (this.#inFlight > 0) return;
    this.#readiness.idle();
    this.#whenIdle?.();
  }

  #record({ call, hash, nth, startMs, inFlight, tokensMs }: Turn, status: number, outcome: string): void {
    this.#count(outcome);
    if (this.#log === null) return;
    const { seed, route, stream } = call;
    const origin = performance.timeOrigin;
    const times = { startMs: origin + startMs, endMs: origin + performance.now() };
    const tokens = tokensMs === null ? {} : { tokensMs: tokensMs.map((ms) => origin + ms) };
    this.#log.add({ ...times, ...tokens, status, outcome, key: hexOf(hash), nth, seed, inFlight, route, stream });
  }

  #count(outcome: string): void {
    this.#byOutcome.set(outcome, (this.#byOutcome.get(outcome) ?? 0) + 1);
  }
}

/** What TGI counts an outcome as, where it is not `incomplete`. */
const FAILURES: Readonly<Record<string, "validation" | "overloaded" | "generation">> = {
  "422": "validation",
  "429": "overloaded",
  "batch-failure": "generation",
  generation: "generation",
};

function contains(prompt: string, parts: readonly string[]): boolean {
  return parts.some((part) => prompt.includes(part));
}
