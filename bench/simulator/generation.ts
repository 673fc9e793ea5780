/** The life of a generation request: let in or refused, answered or made to go wrong, counted and logged once. */

import { performance } from "node:perf_hooks";
import type { ServerResponse } from "node:http";
import { answerForHash } from "./answer.ts";
import { invalid, OVERLOADED } from "./bodies.ts";
import { drawFault, IMMEDIATE } from "./faults.ts";
import type { FaultKind } from "./faults.ts";
import type { GenerationCall } from "./generation-call.ts";
import { hashText, hexOf, keyOf } from "./hash.ts";
import type { TextHash } from "./hash.ts";
import { latencyMs } from "./latency.ts";
import type { SimulatorOptions } from "./options.ts";
import { openStream, sendAnswer, sendError, sendFault } from "./reply.ts";
import type { ReplyParts } from "./reply.ts";
import type { RequestLog } from "./request-log.ts";
import { ServerMetrics } from "./server-metrics.ts";

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
}

/** One request that was let in. */
interface Turn {
  readonly call: GenerationCall;
  readonly response: ServerResponse;
  readonly hash: TextHash;
  readonly nth: number;
  readonly startMs: number;
  readonly inFlight: number;
  /** What is logged when the client leaves before the answer. */
  outcomeWhenDropped: "dropped" | "hang";
  timer: NodeJS.Timeout | null;
  /** The status that went out already, 0 for none. */
  status: number;
  ended: boolean;
}

export class Generation {
  readonly #options: SimulatorOptions;
  readonly #log: RequestLog | null;
  readonly #metrics: ServerMetrics;
  readonly #modelJson: string;
  readonly #hasFaults: boolean;
  readonly #timesSeen = new Map<number, number>();
  readonly #byOutcome = new Map<string, number>();
  #requests = 0;
  #answers = 0;
  #inFlight = 0;
  #maxInFlight = 0;
  #whenIdle: (() => void) | null = null;

  constructor(options: SimulatorOptions, log: RequestLog | null) {
    this.#options = options;
    this.#log = log;
    this.#metrics = new ServerMetrics(options);
    this.#modelJson = JSON.stringify(options.model);
    this.#hasFaults = Object.keys(options.faults).length > 0;
  }

  stats(): GenerationStats {
    return {
      requests: this.#requests,
      answers: this.#answers,
      prompts: this.#timesSeen.size,
      inFlight: this.#inFlight,
      maxInFlight: this.#maxInFlight,
      byOutcome: Object.fromEntries(this.#byOutcome),
    };
  }

  renderMetrics(): string {
    return this.#metrics.render(this.#inFlight);
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

  /** Answers the call, now or later, or does what its fault says. */
  take(call: GenerationCall, response: ServerResponse): void {
    this.#requests++;
    this.#metrics.countRequest(call.route === "chat");
    const hash = hashText(call.prompt);
    const turn = this.#admit(call, response, hash);
    if (turn === null) return;

    if (call.invalid !== null) return this.#refuse(turn, call.invalid);
    if (contains(call.prompt, this.#options.failPrompts)) return this.#refuse(turn, "simulated rejection");
    const fault = this.#faultOf(turn);
    if (fault === "hang") return this.#hang(turn);
    if (fault !== null && IMMEDIATE.has(fault)) return this.#conclude(turn, fault);

    const latency =
      latencyMs(hash, this.#options.latency) + (fault === "slow-first-byte" ? this.#options.faultDelayMs : 0);
    if (latency === 0) return this.#conclude(turn, fault);
    const writes = call.stream && fault === null ? this.#options.streamWrites : 1;
    this.#endWhenClientLeaves(turn);
    turn.timer = setTimeout(() => {
      if (writes > 1) this.#streamSlowly(turn, latency / writes);
      else this.#conclude(turn, fault);
    }, latency / writes);
  }

  /** Null when too many are in flight: the refusal is sent already. */
  #admit(call: GenerationCall, response: ServerResponse, hash: TextHash): Turn | null {
    const limit = this.#options.maxConcurrentRequests;
    const key = keyOf(hash);
    const seen = this.#timesSeen.get(key) ?? 0;
    const full = limit > 0 && this.#inFlight >= limit;
    if (!full) {
      this.#timesSeen.set(key, seen + 1);
      this.#inFlight++;
      this.#maxInFlight = Math.max(this.#maxInFlight, this.#inFlight);
    }
    const turn: Turn = {
      call,
      response,
      hash,
      nth: full ? seen : seen + 1,
      startMs: performance.now(),
      inFlight: this.#inFlight,
      outcomeWhenDropped: "dropped",
      timer: null,
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
    const parts = this.#partsOf(turn);
    if (fault !== null && fault !== "slow-first-byte") {
      this.#metrics.countFailure(fault === "422" ? "validation" : fault === "429" ? "overloaded" : "incomplete");
      return this.#end(turn, sendFault(parts, fault, this.#options.retryAfterSeconds), fault);
    }
    if (turn.call.stream) turn.response.end(openStream(parts).join(""));
    else sendAnswer(parts);
    this.#succeed(turn, parts, fault ?? "ok");
  }

  /** Spreads the events over `streamWrites` writes, the first one now. */
  #streamSlowly(turn: Turn, pauseMs: number): void {
    const parts = this.#partsOf(turn);
    const events = openStream(parts);
    turn.status = 200;
    const size = Math.ceil(events.length / this.#options.streamWrites);
    const next = (from: number): void => {
      const some = events.slice(from, from + size).join("");
      if (from + size < events.length) {
        turn.response.write(some);
        turn.timer = setTimeout(next, pauseMs, from + size);
        return;
      }
      turn.response.end(some);
      this.#succeed(turn, this.#partsOf(turn), "ok");
    };
    next(0);
  }

  #partsOf({ call, response, hash, startMs }: Turn): ReplyParts {
    const { answerChars, answerTokens, seedChangesAnswer, imageBytes } = this.#options;
    const seed = seedChangesAnswer ? call.seed : null;
    return {
      call,
      response,
      answer: answerForHash(hash, { answerChars, answerTokens, maxTokens: call.maxTokens, seed }),
      modelJson: this.#modelJson,
      imageBytes,
      elapsedMs: performance.now() - startMs,
    };
  }

  #succeed(turn: Turn, { answer, elapsedMs }: ReplyParts, outcome: string): void {
    this.#answers++;
    this.#metrics.countSuccess(elapsedMs / 1000, { prompt: turn.call.promptTokens, generated: answer.tokens });
    this.#end(turn, 200, outcome);
  }

  #endWhenClientLeaves(turn: Turn): void {
    turn.response.on("close", () => {
      if (turn.ended) return;
      if (turn.timer !== null) clearTimeout(turn.timer);
      this.#metrics.countFailure("dropped");
      this.#end(turn, turn.status, turn.outcomeWhenDropped);
    });
  }

  #end(turn: Turn, status: number, outcome: string): void {
    turn.ended = true;
    this.#inFlight--;
    this.#record(turn, status, outcome);
    if (this.#inFlight === 0) this.#whenIdle?.();
  }

  #record({ call, hash, nth, startMs, inFlight }: Turn, status: number, outcome: string): void {
    this.#count(outcome);
    if (this.#log === null) return;
    const { seed, route, stream } = call;
    const origin = performance.timeOrigin;
    const times = { startMs: origin + startMs, endMs: origin + performance.now() };
    this.#log.add({ ...times, status, outcome, key: hexOf(hash), nth, seed, inFlight, route, stream });
  }

  #count(outcome: string): void {
    this.#byOutcome.set(outcome, (this.#byOutcome.get(outcome) ?? 0) + 1);
  }
}

function contains(prompt: string, parts: readonly string[]): boolean {
  return parts.some((part) => prompt.includes(part));
}
