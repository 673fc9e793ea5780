/** Answers of an OpenAI completions route, as fakes of vLLM write them; test/contract/wires/vllm.test.ts holds them to it. */
import { event } from "./inference-llm.ts";

/** An answer in one piece. */
export function completion(text: unknown, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: "cmpl-1",
    object: "text_completion",
    model: "served",
    choices: [{ index: 0, text, logprobs: null, finish_reason: "stop", ...more }],
    usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
  };
}

/** One event of a stream. */
export function completionChunk(text: string, finish_reason: string | null = null): string {
  return event({ object: "text_completion", model: "served", choices: [{ index: 0, text, finish_reason }] });
}

/** The event after the last text, which counts its tokens. */
export const COMPLETION_USAGE = event({
  model: "served",
  choices: [],
  usage: { prompt_tokens: 7, completion_tokens: 3 },
});
