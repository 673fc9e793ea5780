/**
 * What is recorded of one request: one line of `requests.jsonl`. All times are milliseconds since the stage's start on one
 * monotonic clock (`process.hrtime`, which all threads of a process share), with microseconds as decimals.
 */

/** Where a count of tokens comes from: the server's usage, the events of TGI's stream (one each), a tokenizer here. */
export type TokenSource = "usage" | "events" | "tokenizer";

/**
 * `ok`: ended as its protocol says it ends. `error`: refused, broken, an error inside a 200, or a stream without its end.
 * `incomplete`: cut by us when the stage's grace was over. `never-sent`: due, and not sent before the stage ended.
 */
export type RequestOutcome = "ok" | "error" | "incomplete" | "never-sent";

export interface RequestRecord {
  readonly stage: string;
  /** Position in the stage's schedule, from 0. */
  readonly index: number;
  /** Which prompt of the run was sent. */
  readonly prompt: number;
  readonly outcome: RequestOutcome;
  /** Whether it was due within the measured window. */
  readonly measured: boolean;
  /** When it was due. In a closed loop: when its place in flight became free. */
  readonly scheduledMs: number;
  /** Handed to the socket; null when never sent, as all below. */
  readonly sentMs: number | null;
  readonly headersMs: number | null;
  /** First event that carries a generated token: content, reasoning or a tool call, or any token event of TGI. */
  readonly firstTokenMs: number | null;
  readonly lastTokenMs: number | null;
  /** The stream closed. */
  readonly endMs: number | null;
  readonly status: number | null;
  readonly finishReason: string | null;
  readonly promptTokens: number | null;
  readonly promptTokensSource: TokenSource | null;
  readonly outputTokens: number;
  readonly outputTokensSource: TokenSource | null;
  /** Of the prompt's tokens, as usage says; null where it does not. */
  readonly cachedTokens: number | null;
  /** Events that carry tokens. Not a count of tokens. */
  readonly events: number;
  /** A short stable code (`overloaded`, `http-500`, `error-in-stream`, `no-end`, `reset`, `timeout` …); null unless `error`. */
  readonly error: string | null;
  /** The server's words, at most 300 characters. */
  readonly errorMessage: string | null;
}

/** A record with the stamps that only live until they are tallied. */
export interface MeasuredRequest {
  readonly record: RequestRecord;
  /** Stamp of each event that carries tokens, milliseconds since the stage's start; `record.events` are valid. Reused: copy to keep. */
  readonly stamps: Float64Array;
  /** Tokens in each such event where the server says so (continuous usage, TGI); null: spread `outputTokens` evenly. */
  readonly tokensOfEvents: Uint32Array | null;
}
