/** One `generate` on its way: waiting, in a slot, or backing off; then settled for good. */
import { messageOf, TidingError } from "../../shared/errors.ts";
import type { Generation, LLMInput, StructuredOutput } from "../../shared/task/task.ts";
import type { Abortable } from "../llms/abort-listeners.ts";
import type { Place } from "../roster.ts";
import { quotable, rawResponse } from "../llms/server-text.ts";
import type { SlotPool } from "./slot-pool.ts";
import type { Lane, LinePlace } from "./waiting-line.ts";

/** An answer, and what it took to get it. */
export interface GatewayAnswer extends Generation {
  readonly endpoint: string;
  readonly seed: number;
  /** Requests that count as attempts, the one that succeeded included. */
  readonly attempts: number;
  /** Epoch milliseconds at which the request that succeeded was sent. */
  readonly startedAtMs: number;
  readonly durationMs: number;
}

/**
 * The seed of a call, from 0 to 2^53-1, by the number of its answers that were no use and by the seed that
 * `generation_kwargs` fix, if any.
 */
export type SeedFor = (answerAttempt: number, fixedSeed: number | null) => number;

export interface GatewayCallOptions {
  readonly number: number;
  readonly input: LLMInput;
  readonly generationKwargs: Readonly<Record<string, unknown>>;
  readonly structuredOutput: StructuredOutput | null;
  readonly preQuery: boolean;
  readonly fixedSeed: number | null;
  readonly seedFor: SeedFor;
  readonly signal: AbortSignal;
  readonly resolve: (answer: GatewayAnswer) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: (call: GatewayCall, reason: unknown) => void;
}

export class GatewayCall implements LinePlace<GatewayCall>, Abortable {
  readonly options: GatewayCallOptions;
  /** Among the gateway's calls, and among what the signal aborts; both are left when it is settled. */
  place: Place<GatewayCall> | null = null;
  listening: Place<Abortable> | null = null;
  lane: Lane<GatewayCall> | null = null;
  previous: GatewayCall | null = null;
  next: GatewayCall | null = null;

  /** The attempt that is under way or comes next, from 1. */
  attempt = 1;
  seed: number;
  /** Holds a slot of it while not null. */
  pool: SlotPool | null = null;
  sentAtMs = 0;
  /** Runs while backing off. */
  timer: NodeJS.Timeout | null = null;
  isSettled = false;
  #answerAttempt = 0;

  constructor(options: GatewayCallOptions) {
    this.options = options;
    this.seed = this.#deriveSeed();
  }

  /** For the next attempt after an answer that was no use: the same seed might bring the same answer. */
  deriveNewSeed(): void {
    this.#answerAttempt++;
    this.seed = this.#deriveSeed();
  }

  abort(reason: unknown): void {
    this.options.onAbort(this, reason);
  }

  #deriveSeed(): number {
    const { fixedSeed, seedFor } = this.options;
    return seedFor(this.#answerAttempt, fixedSeed);
  }
}

/** The error with what the failed row records of its call; without an endpoint where nothing was sent this time. */
export function errorOfCall(error: TidingError, call: GatewayCall, endpoint: string | null): TidingError {
  const { place, mend, retryAfterMs, rawResponse: raw } = error;
  const attempts = endpoint === null ? call.attempt - 1 : call.attempt;
  return new TidingError(error.code, error.message, {
    details: { ...error.details, attempts, seed: call.seed, ...(endpoint === null ? {} : { endpoint }) },
    cause: error,
    ...(place === undefined ? {} : { place }),
    ...(mend === undefined ? {} : { mend }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(raw === undefined ? {} : { rawResponse: raw }),
  });
}

/** Field by field: spreading two objects into one costs more than all the rest of the gateway. */
export function answerOf(
  { text, reasoning, finishReason, inputTokens, outputTokens, model, image, embedding }: Generation,
  { seed, attempt, sentAtMs }: GatewayCall,
  { endpoint, durationMs }: { readonly endpoint: string; readonly durationMs: number },
): GatewayAnswer {
  const answer = {
    text,
    reasoning,
    finishReason,
    inputTokens,
    outputTokens,
    model,
    endpoint,
    seed,
    attempts: attempt,
    startedAtMs: Math.trunc(sentAtMs),
    durationMs,
  };
  if (image !== undefined) return { ...answer, image };
  return embedding === undefined ? answer : { ...answer, embedding };
}

/** For answers that may not be cut. */
export function cutAnswer({ text }: Generation, endpoint: string): TidingError {
  return new TidingError("ANSWER_CUT", "The answer was cut by the token limit.", {
    place: endpoint,
    mend: "Raise max_new_tokens, or set fail_on_length to false to keep such answers.",
    rawResponse: rawResponse(text, []),
  });
}

/** Any other error of an LLM, as far as its words may be shown. */
export function unknownError(thrown: unknown, call: GatewayCall): TidingError {
  const words = quotable(messageOf(thrown), call.options.input, []);
  const name = thrown instanceof Error ? thrown.name : typeof thrown;
  return new TidingError("LLM_FAILED", `The LLM failed with ${name}${words === "" ? "." : `: ${words}`}`, {
    cause: thrown,
  });
}
