/** The texts of one answer as they come. */
import type { Generation } from "../../shared/task/task.ts";
import { onAbort } from "./abort-listeners.ts";
import type { Abortable } from "./abort-listeners.ts";
import type { Place } from "../roster.ts";

/** Makes the request: `onText` is told each text of a stream; an answer that came in one piece is its result alone. */
type Ask = (signal: AbortSignal, onText: (text: string) => void) => Promise<Generation>;

interface Waiting {
  readonly resolve: (result: IteratorResult<string>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Written out rather than as an async generator, whose `return` waits for the `next` under way: here it ends the request
 * at once. Texts that nobody takes are kept, at most the whole answer. The request begins with the first `next`.
 *
 * `next` rejects with what `LLM.call` would, once the texts before the error were taken.
 */
export class TextStream implements AsyncIterator<string>, Abortable {
  readonly #ask: Ask;
  readonly #outer: AbortSignal | null;
  readonly #ending = new AbortController();
  #listening: Place<Abortable> | null = null;
  #texts: string[] = [];
  #waiting: Waiting[] = [];
  #hasBegun = false;
  #isOver = false;
  #failure: { readonly error: unknown } | null = null;

  constructor(ask: Ask, signal: AbortSignal | null) {
    this.#ask = ask;
    this.#outer = signal;
  }

  next(): Promise<IteratorResult<string>> {
    this.#begin();
    const text = this.#texts.shift();
    if (text !== undefined) return Promise.resolve({ done: false, value: text });
    if (this.#isOver) return this.#outcome();
    return new Promise((resolve, reject) => void this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<string>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: unknown): Promise<IteratorResult<string>> {
    this.#end();
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the caller's own
    return Promise.reject(error);
  }

  /** The caller's signal fired. */
  abort(reason: unknown): void {
    this.#ending.abort(reason);
  }

  #begin(): void {
    if (this.#hasBegun || this.#isOver) return;
    this.#hasBegun = true;
    const outer = this.#outer;
    if (outer?.aborted === true) return this.#settle({ error: outer.reason });
    if (outer !== null) this.#listening = onAbort(outer, this);
    let hasTexts = false;
    this.#ask(this.#ending.signal, (text) => {
      hasTexts = true;
      this.#give(text);
    }).then(
      ({ text }) => {
        if (!hasTexts && text !== "") this.#give(text);
        this.#settle(null);
      },
      (error: unknown) => this.#settle({ error }),
    );
  }

  #give(text: string): void {
    if (this.#isOver) return;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#texts.push(text);
    else waiting.resolve({ done: false, value: text });
  }

  /** The answer is no longer wanted. */
  #end(): void {
    this.#texts = [];
    this.#failure = null;
    if (this.#isOver) return;
    this.#settle(null);
    this.#ending.abort(new Error("no longer wanted"));
  }

  #settle(failure: { readonly error: unknown } | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = failure;
    this.#listening?.leave();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { resolve, reject } of waiting) this.#outcome().then(resolve, reject);
  }

  /** The failure once, and then the end. */
  #outcome(): Promise<IteratorResult<string>> {
    const failure = this.#failure;
    this.#failure = null;
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- whatever the request rejected with
    return failure === null ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(failure.error);
  }
}
