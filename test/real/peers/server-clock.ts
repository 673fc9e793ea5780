/**
 * How long llama.cpp itself took for what it served, by its counters at `/metrics`: a clock that is none of the tools'.
 *
 * Source: llama.cpp's `server-context.cpp`. A request's prompt time runs from its first batch to its first token, the time
 * of its tokens from there to the last one. Waiting for a step of other requests to end is in neither.
 */
import { z } from "zod";
import { readPrometheusText } from "../../../bench/server/prometheus-text.ts";

const Counters = z.object({ promptSeconds: z.number(), tokenSeconds: z.number(), tokens: z.number() });
export type ServerCounters = z.output<typeof Counters>;

/** Means, in milliseconds. */
export interface ServerTimes {
  /** Of a request. */
  readonly promptMs: number;
  /** Between two tokens of a request. */
  readonly tokenMs: number;
  /** Of a request, prompt and tokens. */
  readonly requestMs: number;
  /** Of all answers. */
  readonly tokens: number;
}

/** Throws an Error for a server without these counters. */
export async function readCounters(url: string): Promise<ServerCounters> {
  const response = await fetch(`${url}/metrics`);
  const samples = readPrometheusText(await response.text());
  const of = (name: string): number | undefined => samples.get(`llamacpp:${name}`)?.[0]?.value;
  return Counters.parse({
    promptSeconds: of("prompt_seconds_total"),
    tokenSeconds: of("tokens_predicted_seconds_total"),
    tokens: of("tokens_predicted_total"),
  });
}

export function serverTimes(before: ServerCounters, after: ServerCounters, requests: number): ServerTimes {
  const promptMs = (after.promptSeconds - before.promptSeconds) * 1_000;
  const tokensMs = (after.tokenSeconds - before.tokenSeconds) * 1_000;
  const tokens = after.tokens - before.tokens;
  return {
    promptMs: promptMs / requests,
    tokenMs: tokensMs / (tokens - requests),
    requestMs: (promptMs + tokensMs) / requests,
    tokens,
  };
}
