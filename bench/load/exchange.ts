/**
 * One request on its connection: stamps, and the answer as it is read. It is settled once, by its end, by an error or by
 * being cut; what comes afterwards is not looked at.
 *
 * The methods are those of undici's older kind of handler, which its core still speaks: bytes are handed over as they are
 * read, without a stream object, a promise or parsed headers in between.
 */
import type { Dispatcher } from "undici";
import { serverWords } from "../../worker/llms/classify-response.ts";
import type { Answer } from "./answer.ts";
import { connectionCode } from "./connection-code.ts";
import type { ReadStamp } from "./read-stamp.ts";
import { SseLines } from "./sse-lines.ts";
import type { BenchWire } from "./wires/bench-wire.ts";

/** Of an answer that is no stream, enough for the server's words. */
const MOST_BODY = 65_536;

export interface ExchangeParts {
  readonly wire: BenchWire;
  readonly answer: Answer;
  readonly stamp: ReadStamp;
  /** Stamps are milliseconds since here, by `clockMs`. */
  readonly originMs: number;
  /**
   * Asked where the connection broke before any byte of an answer had come: true when the request is on its way again, with
   * this same exchange.
   */
  readonly sendAgain: () => boolean;
  /** Called once. The connection may be used again from then on, unless the exchange was cut. */
  readonly settled: (exchange: Exchange) => void;
}

export class Exchange implements Dispatcher.DispatchHandler {
  readonly answer: Answer;
  /** Null where it did not come to that, as all below. */
  sentMs: number | null = null;
  headersMs: number | null = null;
  endMs: number | null = null;
  status: number | null = null;
  /** Cut by us, before its end. */
  isCut = false;
  /** The answer came to its end as HTTP has it, so that its connection stays open, for all that it says. */
  isWhole = false;
  readonly #parts: ExchangeParts;
  readonly #lines: SseLines;
  #isStream = false;
  #body = "";
  #stampMs = 0;
  #isSettled = false;

  constructor(parts: ExchangeParts) {
    const { wire, answer } = parts;
    this.#parts = parts;
    this.answer = answer;
    this.#lines = new SseLines((data) => wire.take(data, answer, this.#stampMs));
  }

  onConnect(abort: (error?: Error) => void): void {
    if (this.#isSettled) return abort(new Error("no longer wanted"));
    this.sentMs = this.#now();
  }

  onHeaders(status: number, rawHeaders: Buffer[]): boolean {
    if (status < 200 || this.#isSettled) return true;
    this.headersMs = this.#now();
    this.status = status;
    this.#isStream = status === 200 && isStream(rawHeaders);
    return true;
  }

  onData(bytes: Buffer): boolean {
    if (this.#isSettled) return true;
    if (this.#isStream) {
      this.#stampMs = this.#now();
      this.#lines.push(bytes);
    } else if (this.#body.length < MOST_BODY) this.#body += bytes.toString("latin1");
    return true;
  }

  onComplete(): void {
    if (this.#isSettled) return;
    this.isWhole = true;
    this.#end();
    const { answer } = this;
    if (this.#isStream && !answer.isComplete) answer.fail("no-end", null);
    else if (this.#isStream && !answer.hasChoice) answer.fail("no-answer", null);
    else if (!this.#isStream) this.#failByBody();
    this.#settle();
  }

  onError(error: Error): void {
    if (this.#isSettled) return;
    const code = connectionCode(error);
    if (code === "reset" && this.headersMs === null && this.#parts.sendAgain()) return;
    this.#end();
    // An answer that is whole stays whole, however its connection ends.
    if (!this.answer.isComplete) this.answer.fail(code, null);
    this.#settle();
  }

  /** Ends it now, with an error where `code` is one; its connection has to be closed. */
  cut(code: string | null): void {
    if (this.#isSettled) return;
    this.isCut = true;
    this.endMs = this.#now();
    if (code !== null) this.answer.fail(code, null);
    this.#settle();
  }

  /** Takes what stands behind the last line end, where that is a whole event. */
  #end(): void {
    this.endMs = this.#now();
    const { answer } = this;
    const { error } = answer;
    if (this.#isStream) this.#lines.end();
    if (error === null && answer.error === "bad-event") answer.error = null;
  }

  #failByBody(): void {
    const body = Buffer.from(this.#body, "latin1").toString();
    const words = serverWords(body, []);
    const { status, answer } = this;
    if (status !== 200) answer.fail(isOverload(status, words) ? "overloaded" : `http-${status ?? 0}`, words);
    else answer.fail(words === "" ? "not-a-stream" : "error-in-200", words);
  }

  #now(): number {
    return this.#parts.stamp.now() - this.#parts.originMs;
  }

  #settle(): void {
    this.#isSettled = true;
    this.#parts.settled(this);
  }
}

/** Servers are not strict about the type of a stream; what is plainly something else is none. */
function isStream(rawHeaders: readonly Buffer[]): boolean {
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]!.length !== 12 || rawHeaders[index]!.toString("latin1").toLowerCase() !== "content-type")
      continue;
    return !/json|html/i.test(rawHeaders[index + 1]!.toString("latin1"));
  }
  return true;
}

function isOverload(status: number | null, words: string): boolean {
  return status === 429 || /overloaded|queue is full|too many requests/i.test(words);
}
