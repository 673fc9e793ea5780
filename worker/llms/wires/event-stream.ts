/** What the streams of all wires have in common: server-sent events of JSON in, one `Generation` out. */
import { createParser } from "eventsource-parser";
import { TidingError } from "../../../shared/errors.ts";
import type { Generation } from "../../../shared/task/task.ts";
import { classifyInside200 } from "../classify-response.ts";
import type { ResponseContext } from "../classify-response.ts";
import { rawResponse } from "../server-text.ts";
import { invalidAnswer } from "./answer-parts.ts";
import type { AnswerStream } from "./wire.ts";

export abstract class EventStream<Event> implements AnswerStream {
  protected readonly context: ResponseContext;
  readonly #onText: ((text: string) => void) | undefined;
  readonly #decoder = new TextDecoder();
  readonly #parser = createParser({ onEvent: ({ data }) => this.#takeData(data) });
  #text = "";
  #isDone = false;
  #error: TidingError | null = null;

  constructor(context: ResponseContext, onText?: (text: string) => void) {
    this.context = context;
    this.#onText = onText;
  }

  /** Takes an event that is no error. */
  protected abstract take(event: Event): void;
  /** The answer is whole, whether or not the stream said that it is done. */
  protected abstract get isComplete(): boolean;
  /** Throws `RESPONSE_INVALID` for a stream that says it is done and held no answer. */
  protected abstract generation(): Generation;

  /** The texts so far. */
  protected get text(): string {
    return this.#text;
  }

  protected add(text: string): void {
    if (text === "") return;
    this.#text += text;
    this.#onText?.(text);
  }

  /** The rest of the stream no longer matters. */
  protected finish(): void {
    this.#isDone = true;
  }

  push(bytes: Uint8Array): boolean {
    this.#parser.feed(this.#decoder.decode(bytes, { stream: true }));
    return this.#isDone || this.#error !== null;
  }

  end(): Generation {
    // Some servers leave out the blank line after the last event.
    if (!this.#isDone) this.#parser.feed("\n\n");
    if (this.#error !== null) throw this.#error;
    if (!this.#isDone && !this.isComplete) throw this.truncated();
    return this.generation();
  }

  /** The error for a stream that ended before its answer did. */
  truncated(cause?: unknown): TidingError {
    const { endpoint, secrets } = this.context;
    return new TidingError("STREAM_TRUNCATED", `The stream from ${endpoint} ended before the answer did.`, {
      place: endpoint,
      details: { characters: this.#text.length },
      rawResponse: rawResponse(this.#text, secrets),
      cause,
    });
  }

  #takeData(data: string): void {
    if (this.#isDone || this.#error !== null) return;
    if (data === "[DONE]") {
      this.finish();
      return;
    }
    let event: Event | null;
    try {
      event = JSON.parse(data) as Event | null;
    } catch (error) {
      this.#error = invalidAnswer("a stream event that is not JSON", data, { context: this.context, cause: error });
      return;
    }
    this.#error = classifyInside200(event, data, this.context);
    if (event !== null && this.#error === null) this.take(event);
  }
}
