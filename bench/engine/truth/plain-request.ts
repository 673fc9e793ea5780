/** A request as the definitions of metrics need it, whoever observed it. */
export interface PlainRequest {
  /** Milliseconds since the stage's start, as all times here. */
  readonly scheduledMs: number;
  readonly sentMs: number | null;
  /** When each token came. */
  readonly tokensMs: readonly number[];
  readonly endMs: number | null;
  readonly outcome: "ok" | "error" | "incomplete" | "never-sent";
  readonly error: string | null;
  readonly finishReason: string | null;
  /** Null where nobody told: servers do so at an answer's end, and a failed one has none. */
  readonly promptTokens: number | null;
  /** As the server counts them at its end. */
  readonly outputTokens: number;
}
