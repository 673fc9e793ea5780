/** How a request that was let in is answered by a batch: its place there, its stream, and what its fault does to both. */

import { clockMs } from "../fine-timer.ts";
import { answerForHash } from "./answer.ts";
import type { Answer } from "./answer.ts";
import { errorEvents, GENERATION_FAILED } from "./bodies.ts";
import { wordIds } from "./batching/token-ids.ts";
import type { FaultKind } from "./faults.ts";
import { draw } from "./hash.ts";
import type { SimulatorOptions } from "./options.ts";
import type { Replica } from "./replica.ts";
import type { Replicas } from "./replicas.ts";
import { isWrong, sendError } from "./reply.ts";
import type { WrongAnswer } from "./reply.ts";
import { TokenStream } from "./token-stream.ts";
import type { Turn } from "./turn.ts";

/** How a turn ends, for whoever counts it. */
export interface TurnEnds {
  /** Sends the plain answer. */
  sendAnswer(turn: Turn, answer: Answer): void;
  /** Does what the fault says, and counts it. */
  sendFault(turn: Turn, fault: WrongAnswer): void;
  succeeded(turn: Turn, answer: Answer, outcome: string): void;
  /** After the answer, or what there is in its place, was sent. */
  failed(turn: Turn, status: number, outcome: string): void;
}

/** The faults whose stream looks right until half of it is there. */
const HALFWAY: ReadonlySet<FaultKind> = new Set([
  "truncated-body",
  "truncated-stream",
  "error-in-200",
  "batch-failure",
] as const);

export class BatchServing {
  readonly #options: SimulatorOptions;
  readonly #replicas: Replicas;
  readonly #ends: TurnEnds;
  readonly #modelJson: string;
  #requests = 0;

  constructor(options: SimulatorOptions, replicas: Replicas, ends: TurnEnds) {
    this.#options = options;
    this.#replicas = replicas;
    this.#ends = ends;
    this.#modelJson = JSON.stringify(options.model);
  }

  /** Puts the turn into the least loaded batch; `fault` is none of those that come at once. */
  serve(turn: Turn, answer: Answer, fault: FaultKind | null): void {
    const place = new Place(turn, answer, fault, {
      replica: this.#replicas.leastLoaded(),
      id: this.#requests++,
      ends: this.#ends,
      options: this.#options,
      modelJson: this.#modelJson,
    });
    if (fault !== "slow-first-byte") return place.take(turn.arrivedMs);
    const wait = setTimeout(() => place.take(clockMs()), this.#options.faultDelayMs);
    turn.stop = () => clearTimeout(wait);
  }
}

interface PlaceParts {
  readonly replica: Replica;
  readonly id: number;
  readonly ends: TurnEnds;
  readonly options: SimulatorOptions;
  readonly modelJson: string;
}

/** One turn in one replica. */
class Place {
  readonly #turn: Turn;
  readonly #answer: Answer;
  readonly #fault: FaultKind | null;
  readonly #parts: PlaceParts;
  #stream: TokenStream | null = null;
  #tokens = 0;

  constructor(turn: Turn, answer: Answer, fault: FaultKind | null, parts: PlaceParts) {
    this.#turn = turn;
    this.#answer = answer;
    this.#fault = fault;
    this.#parts = parts;
  }

  take(arrivedMs: number): void {
    const { call, response } = this.#turn;
    const { replica, id, options, modelJson } = this.#parts;
    this.#turn.stop = () => this.#leave();
    // These two have no head: nothing of theirs may be sent before.
    if (call.stream && this.#fault !== "reset" && this.#fault !== "500") {
      const parts = { response, call, answer: this.#answer, modelJson, tokensMs: this.#turn.tokensMs };
      this.#stream = new TokenStream(parts, { keepAliveMs: options.keepAliveMs, cut: this.#oddCut() });
      this.#turn.status = 200;
    }
    const request = {
      id,
      promptTokens: call.promptTokens,
      maxNewTokens: call.maxTokens ?? options.maxTotalTokens - call.promptTokens,
      outputTokens: this.#answer.tokens,
      prefix: call.prefill ? undefined : wordIds(call.prompt),
    };
    const listener = {
      admitted: (queuedMs: number) => {
        if (this.#tokens === 0) this.#turn.queuedMs = queuedMs;
      },
      tokens: (count: number, ended: boolean) => this.#arrive(count, ended),
      lost: () => this.#lose(),
    };
    replica.submit(request, listener, arrivedMs);
  }

  #arrive(count: number, ended: boolean): void {
    const first = this.#tokens === 0;
    this.#tokens += count;
    if (first && this.#fault === "latency-spike") this.#parts.replica.delayNextStep(this.#parts.options.faultDelayMs);
    if (this.#fault === "garbage-json" && this.#stream !== null) return this.#breakStream(() => this.#stream!.garble());
    if (this.#fault !== null && HALFWAY.has(this.#fault)) {
      const half = this.#answer.tokens >>> 1;
      if (this.#tokens <= half) this.#stream?.tokens(count);
      if (this.#tokens < half) return;
      if (this.#fault === "batch-failure") return this.#failBatch(ended);
      if (this.#stream !== null) return this.#breakHalfway(this.#stream);
    }
    if (this.#stream === null) return this.#arrivePlain(ended);
    if (!ended) return this.#stream.tokens(count);
    this.#stream.tokens(count - 1);
    const answer = this.#givenAnswer();
    this.#stream.end(answer);
    this.#ends.succeeded(this.#turn, answer, this.#fault ?? "ok");
  }

  #arrivePlain(ended: boolean): void {
    const { call } = this.#turn;
    const fault = this.#fault;
    if (fault === "reset" || fault === "500") {
      // A stream's due time is its first token, a plain answer's its last.
      if (!ended && !call.stream) return;
      this.#leave();
      return this.#ends.sendFault(this.#turn, fault);
    }
    if (!ended) return;
    if (fault !== null && isWrong(fault)) return this.#ends.sendFault(this.#turn, fault);
    const answer = this.#givenAnswer();
    this.#ends.sendAnswer(this.#turn, answer);
    this.#ends.succeeded(this.#turn, answer, fault ?? "ok");
  }

  get #ends(): TurnEnds {
    return this.#parts.ends;
  }

  /** A request that could not come back for more tokens ends early, as if by length. */
  #givenAnswer(): Answer {
    if (this.#tokens === this.#answer.tokens) return this.#answer;
    const { answerChars, seedChangesAnswer } = this.#parts.options;
    return answerForHash(this.#turn.hash, {
      answerChars,
      answerTokens: this.#answer.tokens + 1,
      maxTokens: this.#tokens,
      seed: seedChangesAnswer ? this.#turn.call.seed : null,
    });
  }

  #breakHalfway(stream: TokenStream): void {
    this.#breakStream(() => {
      if (this.#fault === "truncated-body") stream.breakOff();
      else stream.endWith(this.#fault === "truncated-stream" ? "" : errorEvents(this.#turn.call, GENERATION_FAILED));
    });
  }

  #breakStream(how: () => void): void {
    this.#leave();
    how();
    this.#ends.failed(this.#turn, 200, this.#fault!);
  }

  #failBatch(ended: boolean): void {
    this.#parts.replica.failBatch();
    // Its last token was on its way already, so the replica counts it no more.
    if (ended) this.#lose();
  }

  #lose(): void {
    const outcome = this.#fault === "batch-failure" ? this.#fault : "generation";
    if (this.#stream === null) {
      return this.#ends.failed(this.#turn, sendError(this.#turn.response, this.#turn.call, GENERATION_FAILED), outcome);
    }
    this.#stream.endWith(errorEvents(this.#turn.call, GENERATION_FAILED));
    this.#ends.failed(this.#turn, 200, outcome);
  }

  #leave(): void {
    this.#parts.replica.cancel(this.#parts.id);
    this.#stream?.stop();
  }

  /** Where the stream is cut at odd places: somewhere within what waits, so that writes hold parts of several events. */
  #oddCut(): ((waiting: number) => number) | null {
    if (this.#fault !== "odd-chunks") return null;
    let writes = 0;
    return (waiting) => Math.floor(draw(this.#turn.hash, 7, writes++) * (waiting + 1));
  }
}
