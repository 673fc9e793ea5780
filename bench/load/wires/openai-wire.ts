/**
 * OpenAI's chat and completions streams, as TGI, vLLM, SGLang, llama.cpp and gateways write them.
 *
 * What is no token: the first chunk with the role alone (vLLM, SGLang, llama.cpp), the chunk with the usage and without
 * choices, a delta with an empty text. What is: a text, reasoning under either of its names, a part of a tool call. How
 * many tokens a chunk holds nobody knows but the server: vLLM and SGLang tell it in each chunk when they are asked to.
 */
import { withoutNulls } from "../../../worker/llms/wires/direct-wire.ts";
import { samplingFields } from "../../../worker/llms/wires/openai-fields.ts";
import { bodyHead } from "../../../worker/llms/wires/wire.ts";
import type { Answer } from "../answer.ts";
import type { LoadTarget } from "../load-target.ts";
import type { BenchWire } from "./bench-wire.ts";
import { takeError } from "./event-error.ts";
import { countOf, jsonEvent } from "./json-event.ts";
import type { JsonObject } from "./json-event.ts";

/** Servers that know `continuous_usage_stats`; OpenAI's own API refuses fields that it does not know. */
const TELLS_CONTINUOUSLY = new Set(["vllm", "sglang"]);

export function openAIWire(target: LoadTarget, route: "chat" | "completions"): BenchWire {
  const { model, generation, ignoreEos, server = "unknown" } = target;
  const { max_tokens, max_new_tokens, max_completion_tokens, seed, ...others } = generation;
  const ownMaximum = [max_tokens, max_new_tokens].find((most) => most !== undefined);
  const isTgi = server === "tgi";
  const head = bodyHead({
    ...samplingFields(withoutNulls(others), { isTgi }),
    ...(seed == null ? {} : { seed }),
    ...(max_completion_tokens == null ? {} : { max_completion_tokens }),
    // `min_tokens` as well would put a processor of logits into every step of vLLM: another server than is asked about.
    ...(ignoreEos && !isTgi ? { ignore_eos: true } : {}),
    ...(model === "" ? {} : { model }),
    stream: true,
    stream_options: {
      include_usage: true,
      ...(TELLS_CONTINUOUSLY.has(server) ? { continuous_usage_stats: true } : {}),
    },
  });
  const isChat = route === "chat";
  return {
    body({ messages, text, maxTokens }) {
      const most = ownMaximum === undefined ? maxTokens : ownMaximum;
      const prompt = isChat ? `"messages":${JSON.stringify(messages)}` : `"prompt":${JSON.stringify(text)}`;
      return `${head}${most === null ? "" : `"max_tokens":${JSON.stringify(most)},`}${prompt}}`;
    },
    take: (data, answer, stampMs) => take(data, answer, { stampMs, isChat }),
    // TGI writes a chunk for each token, and so does llama.cpp's server.
    eventsAreTokens: isTgi || server === "llamacpp",
  };
}

interface Reading {
  readonly stampMs: number;
  readonly isChat: boolean;
}

function take(data: string, answer: Answer, { stampMs, isChat }: Reading): void {
  if (data === "[DONE]") {
    answer.isComplete = true;
    return;
  }
  const event = jsonEvent(data, answer);
  if (event === null || takeError(event, data, answer)) return;
  const before = answer.outputTokens ?? 0;
  const isCounted = takeUsage(event, answer);
  const choice = (event["choices"] as readonly JsonObject[] | undefined)?.[0];
  if (choice === undefined) return;
  answer.hasChoice = true;
  const isToken = isChat ? carriesToken(choice["delta"] as JsonObject | null | undefined) : isText(choice["text"]);
  if (isToken) answer.addEvent(stampMs, isCounted ? Math.max(0, (answer.outputTokens ?? 0) - before) : null);
  const finish = choice["finish_reason"];
  if (!isText(finish)) return;
  answer.finishReason = finish;
  answer.isComplete = true;
}

/** Whether the event says how many tokens there are by now. */
function takeUsage(event: JsonObject, answer: Answer): boolean {
  const usage = event["usage"] as JsonObject | null | undefined;
  if (typeof usage !== "object" || usage === null) return false;
  answer.promptTokens = countOf(usage["prompt_tokens"]) ?? answer.promptTokens;
  const details = usage["prompt_tokens_details"] as JsonObject | null | undefined;
  answer.cachedTokens = countOf(details?.["cached_tokens"]) ?? answer.cachedTokens;
  const count = countOf(usage["completion_tokens"]);
  if (count === null) return false;
  answer.outputTokens = count;
  return true;
}

function carriesToken(delta: JsonObject | null | undefined): boolean {
  if (typeof delta !== "object" || delta === null) return false;
  if (isText(delta["content"]) || isText(delta["reasoning_content"]) || isText(delta["reasoning"])) return true;
  const calls = delta["tool_calls"];
  return (Array.isArray(calls) && calls.length > 0) || isText(delta["refusal"]);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
