/** What is read of one streamed answer. Its arrays are used again for the next one, so that a token costs no memory. */

export class Answer {
  /** Of each event that carries tokens, the first `events` hold. */
  stamps = new Float64Array(256);
  /** Tokens of each such event, where `countsKnown`. */
  tokens = new Uint32Array(256);
  events = 0;
  /** The server says of each event how many tokens it carries. */
  countsKnown = true;
  /** The answer is whole: its protocol's last word was read. */
  isComplete = false;
  /** A stream that is over without any choice held no answer, however well it ended. */
  hasChoice = false;
  finishReason: string | null = null;
  promptTokens: number | null = null;
  cachedTokens: number | null = null;
  /** The newest count of generated tokens that the server gave. */
  outputTokens: number | null = null;
  /** The first error that was seen; a short stable code. */
  error: string | null = null;
  errorMessage: string | null = null;

  reset(): void {
    this.events = 0;
    this.countsKnown = true;
    this.isComplete = false;
    this.hasChoice = false;
    this.finishReason = null;
    this.promptTokens = null;
    this.cachedTokens = null;
    this.outputTokens = null;
    this.error = null;
    this.errorMessage = null;
  }

  /** An event that carries tokens; `tokens` is null where nobody says how many. */
  addEvent(stampMs: number, tokens: number | null): void {
    const { events } = this;
    if (events === this.stamps.length) this.#grow();
    this.stamps[events] = stampMs;
    this.tokens[events] = tokens ?? 0;
    if (tokens === null) this.countsKnown = false;
    this.events = events + 1;
  }

  /** The first error stands: what follows it is its consequence. */
  fail(error: string, message: string | null): void {
    if (this.error !== null) return;
    this.error = error;
    this.errorMessage = message === "" ? null : message;
  }

  #grow(): void {
    const { stamps, tokens } = this;
    this.stamps = new Float64Array(stamps.length * 2);
    this.stamps.set(stamps);
    this.tokens = new Uint32Array(tokens.length * 2);
    this.tokens.set(tokens);
  }
}
