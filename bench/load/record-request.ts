/** From an exchange that is over to the record of its request. */
import type { Exchange } from "./exchange.ts";
import type { RequestOutcome, RequestRecord, TokenSource } from "./request-record.ts";
import type { MeasuredWindow } from "./stage-load.ts";

/** A request that is due, and what it carries. */
export interface DueRequest {
  readonly index: number;
  readonly prompt: number;
  readonly dueMs: number;
}

export interface RecordContext {
  readonly stage: string;
  readonly window: MeasuredWindow;
  readonly eventsAreTokens: boolean;
  /** Are replaced where a server repeats them. */
  readonly secrets: readonly string[];
}

export function recordOf(request: DueRequest, exchange: Exchange, context: RecordContext): RequestRecord {
  const { answer } = exchange;
  const { events, stamps, error } = answer;
  const [outputTokens, outputTokensSource] = tokensOf(exchange, context);
  const outcome: RequestOutcome = error !== null ? "error" : exchange.isCut ? "incomplete" : "ok";
  return {
    ...headOf(request, outcome, context),
    sentMs: micros(exchange.sentMs),
    headersMs: micros(exchange.headersMs),
    firstTokenMs: events === 0 ? null : micros(stamps[0]!),
    lastTokenMs: events === 0 ? null : micros(stamps[events - 1]!),
    endMs: micros(exchange.endMs),
    status: exchange.status,
    finishReason: answer.finishReason,
    promptTokens: answer.promptTokens,
    promptTokensSource: answer.promptTokens === null ? null : "usage",
    outputTokens,
    outputTokensSource,
    cachedTokens: answer.cachedTokens,
    events,
    error,
    errorMessage: answer.errorMessage === null ? null : withoutSecrets(answer.errorMessage, context.secrets),
  };
}

/** Of a request that was due and never sent. */
export function recordNeverSent(request: DueRequest, context: RecordContext): RequestRecord {
  return {
    ...headOf(request, "never-sent", context),
    sentMs: null,
    headersMs: null,
    firstTokenMs: null,
    lastTokenMs: null,
    endMs: null,
    status: null,
    finishReason: null,
    promptTokens: null,
    promptTokensSource: null,
    outputTokens: 0,
    outputTokensSource: null,
    cachedTokens: null,
    events: 0,
    error: null,
    errorMessage: null,
  };
}

function headOf({ index, prompt, dueMs }: DueRequest, outcome: RequestOutcome, { stage, window }: RecordContext) {
  const scheduledMs = micros(dueMs);
  const measured = scheduledMs >= window.startMs && scheduledMs < window.endMs;
  return { stage, index, prompt, outcome, measured, scheduledMs };
}

/** What the server counted, else events where each is a token; a chunk is never taken for a token. */
function tokensOf({ answer }: Exchange, { eventsAreTokens }: RecordContext): readonly [number, TokenSource | null] {
  if (answer.outputTokens !== null) return [answer.outputTokens, "usage"];
  return eventsAreTokens ? [answer.events, "events"] : [0, null];
}

function micros<Value extends number | null>(ms: Value): Value {
  return (ms === null ? null : Math.round(ms * 1_000) / 1_000) as Value;
}

function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((safe, secret) => safe.replaceAll(secret, "[secret]"), text).slice(0, 300);
}
