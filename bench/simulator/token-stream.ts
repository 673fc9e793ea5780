/** A streamed answer as a batch gives it: the head at once, an event for each token when it comes, comments in a silence. */

import { performance } from "node:perf_hooks";
import type { ServerResponse } from "node:http";
import type { Answer } from "./answer.ts";
import { answerEventsOf } from "./bodies.ts";
import type { AnswerEvents } from "./bodies.ts";
import type { GenerationCall } from "./generation-call.ts";
import { writeStreamHead } from "./reply.ts";

const KEEP_ALIVE = ":\n\n";

export interface TokenStreamParts {
  readonly response: ServerResponse;
  readonly call: GenerationCall;
  readonly answer: Answer;
  readonly modelJson: string;
  /** Where the time of each token is put when it is sent. */
  readonly tokensMs: number[] | null;
}

/** How many of so many characters that wait go out now. */
export type Cut = (waiting: number) => number;

export class TokenStream {
  readonly #response: ServerResponse;
  readonly #parts: TokenStreamParts;
  readonly #silence: NodeJS.Timeout;
  readonly #cut: Cut | null;
  #events: AnswerEvents;
  #sent = 0;
  /** Kept back by `cut`. */
  #waiting = "";

  /** Sends the head. */
  constructor(parts: TokenStreamParts, options: { readonly keepAliveMs: number; readonly cut: Cut | null }) {
    this.#response = parts.response;
    this.#parts = parts;
    this.#cut = options.cut;
    this.#events = answerEventsOf(parts.call, parts.answer, parts.modelJson);
    writeStreamHead(parts.response, parts.call);
    parts.response.flushHeaders();
    this.#silence = setTimeout(() => {
      this.#write(KEEP_ALIVE);
    }, options.keepAliveMs);
  }

  /** Tokens sent. */
  get sent(): number {
    return this.#sent;
  }

  /** Sends the next tokens, but not the answer's last. */
  tokens(count: number): void {
    for (let token = 0; token < count; token++) this.#write(this.#nextToken());
  }

  /** Sends the last token and the end. With another `answer`, that one ends here. */
  end(answer: Answer = this.#parts.answer): void {
    if (answer !== this.#parts.answer) {
      this.#events = answerEventsOf(this.#parts.call, answer, this.#parts.modelJson);
    }
    clearTimeout(this.#silence);
    this.#response.end(this.#waiting + this.#nextToken() + this.#events.tail.join(""));
  }

  /** Ends the stream with this in place of what is left. */
  endWith(events: string): void {
    clearTimeout(this.#silence);
    this.#response.end(this.#waiting + events);
  }

  /** Half of the next event, as an event of its own, and the end. */
  garble(): void {
    const event = this.#events.token(this.#sent);
    this.endWith(`${event.slice(0, event.length >>> 1)}\n\n`);
  }

  /** Cuts the connection. */
  breakOff(): void {
    clearTimeout(this.#silence);
    this.#response.socket?.destroy();
  }

  stop(): void {
    clearTimeout(this.#silence);
  }

  #nextToken(): string {
    this.#parts.tokensMs?.push(performance.now());
    return this.#events.token(this.#sent++);
  }

  #write(text: string): void {
    this.#silence.refresh();
    if (this.#cut === null) {
      this.#response.write(text);
      return;
    }
    const waiting = this.#waiting + text;
    const length = this.#cut(waiting.length);
    this.#waiting = waiting.slice(length);
    if (length > 0) this.#response.write(waiting.slice(0, length));
  }
}
