/** What a run's traces say: requests in flight, how they ended, tokens that were generated. */
import { InFlightMeter, type InFlightFigures } from "./in-flight.ts";
import { readTrace, type TraceEvent } from "./request-trace.ts";

export interface TraceFigures extends InFlightFigures {
  /** Answered 429 or 503: asked to come again later. */
  readonly refused: number;
  /** Any other end but a whole answer with status 200. */
  readonly errors: number;
  /** Answers that did not say how many tokens they hold. */
  readonly withoutTokens: number;
  readonly promptTokens: number;
  /** Of all answers, whatever became of them. */
  readonly outputTokens: number;
}

/**
 * @param span `clockMs` when the run began and ended
 * @param slots in flight at most
 */
export async function measureTrace(
  path: string,
  { beganMs, endedMs, slots }: { readonly beganMs: number; readonly endedMs: number; readonly slots: number },
): Promise<TraceFigures> {
  const tally = new TraceTally({ beganMs, slots });
  for await (const event of readTrace(path)) tally.add(event);
  return tally.finish(endedMs);
}

/**
 * Mean time of the answers to the later half of a trace's requests: the first ones pay for connections, and for code that
 * has not run yet. Null where there is none.
 */
export async function laterAnswerMs(path: string, requests: number): Promise<number | null> {
  const open = new Map<number, number>();
  let [answers, sumMs] = [0, 0];
  for await (const event of readTrace(path)) {
    if (event.number < requests / 2) continue;
    if (event.kind === "began") open.set(event.number, event.atMs);
    else {
      if (event.status === 200) {
        answers++;
        sumMs += event.atMs - (open.get(event.number) ?? event.atMs);
      }
      open.delete(event.number);
    }
  }
  return answers === 0 ? null : sumMs / answers;
}

/** Pure; keeps a key of 16 characters for each different body. */
export class TraceTally {
  readonly #meter: InFlightMeter;
  readonly #seen = new Set<string>();
  #refused = 0;
  #errors = 0;
  #withoutTokens = 0;
  #promptTokens = 0;
  #outputTokens = 0;

  constructor(options: { readonly beganMs: number; readonly slots: number }) {
    this.#meter = new InFlightMeter(options);
  }

  add(event: TraceEvent): void {
    if (event.kind === "began") {
      const before = this.#seen.size;
      this.#seen.add(event.key);
      this.#meter.started(event.atMs, this.#seen.size > before);
      return;
    }
    const { status, promptTokens, outputTokens } = event;
    this.#meter.ended(event.atMs, status === 200);
    if (status === 429 || status === 503) this.#refused++;
    else if (status !== 200) this.#errors++;
    else if (outputTokens === null) this.#withoutTokens++;
    this.#promptTokens += promptTokens ?? 0;
    this.#outputTokens += outputTokens ?? 0;
  }

  finish(endedMs: number): TraceFigures {
    return {
      ...this.#meter.finish(endedMs),
      refused: this.#refused,
      errors: this.#errors,
      withoutTokens: this.#withoutTokens,
      promptTokens: this.#promptTokens,
      outputTokens: this.#outputTokens,
    };
  }
}
