/** Reads answers of OpenAI chat completions, as TGI, vLLM, SGLang, llama.cpp and gateways write them. */
import { TidingError } from "../../../shared/errors.ts";
import type { Generation } from "../../../shared/task/task.ts";
import { classifyInside200 } from "../classify-response.ts";
import type { ResponseContext, ServerResponse } from "../classify-response.ts";
import { rawResponse } from "../server-text.ts";
import { finishReasonOf, invalidAnswer, parsedAnswer, tokens } from "./answer-parts.ts";

/** A message of an answer, or the sum of a stream's deltas. */
export interface ChatMessageFields {
  readonly content?: unknown;
  readonly reasoning?: unknown;
  readonly reasoning_content?: unknown;
  readonly refusal?: unknown;
  readonly tool_calls?: unknown;
}

interface ChatAnswer {
  readonly choices?: readonly { readonly message?: ChatMessageFields | null; readonly finish_reason?: unknown }[];
  readonly usage?: unknown;
  readonly model?: unknown;
}

/** Reads an answer with status 200. Throws `RESPONSE_INVALID`, or what an `error` inside it stands for. */
export function readChatAnswer(response: ServerResponse, context: ResponseContext): Generation {
  const { text } = response;
  const answer = parsedAnswer(response, context) as ChatAnswer | null;
  const choice = answer?.choices?.[0];
  const message = choice?.message;
  if (typeof message !== "object" || message === null) {
    throw classifyInside200(answer, text, context) ?? invalidAnswer("an answer without choices", text, { context });
  }
  return generationOf(
    { message, finish: choice?.finish_reason, usage: answer?.usage, model: answer?.model, raw: text },
    context,
  );
}

export interface ChatParts {
  readonly message: ChatMessageFields;
  readonly finish: unknown;
  readonly usage: unknown;
  readonly model: unknown;
  /** The answer as it came, for errors. */
  readonly raw: string;
}

/**
 * A `Generation` out of a message, however it travelled. Tool calls without a text become the text, as JSON.
 * Throws `CONTENT_FILTERED` for an answer that was held back whole, `ENDPOINT_ERROR` for one that the server gave up on.
 */
export function generationOf(parts: ChatParts, context: ResponseContext): Generation {
  const { message, usage, model } = parts;
  const finishReason = finishReasonOf(parts.finish);
  const text = textOf(message);
  const isEmpty = text === "";
  if (isEmpty && (finishReason === "content_filter" || typeof message.refusal === "string")) {
    throw new TidingError("CONTENT_FILTERED", `A content filter at ${context.endpoint} held the answer back.`, {
      place: context.endpoint,
      rawResponse: rawResponse(parts.raw, context.secrets),
    });
  }
  if (finishReason === "abort" || finishReason === "error") {
    throw new TidingError(
      "ENDPOINT_ERROR",
      `${context.endpoint} gave up on the answer (finish_reason ${finishReason}).`,
      {
        place: context.endpoint,
        rawResponse: rawResponse(parts.raw, context.secrets),
      },
    );
  }
  return {
    text,
    reasoning: firstText(message.reasoning, message.reasoning_content),
    finishReason,
    inputTokens: tokens(usage, "prompt_tokens"),
    outputTokens: tokens(usage, "completion_tokens"),
    model: typeof model === "string" && model !== "" ? model : (context.model ?? "unknown"),
  };
}

function textOf(message: ChatMessageFields): string {
  const { content, tool_calls } = message;
  if (typeof content === "string" && content !== "") return content;
  if (Array.isArray(content)) {
    return content.map((part: { text?: unknown } | null) => (typeof part?.text === "string" ? part.text : "")).join("");
  }
  return Array.isArray(tool_calls) && tool_calls.length > 0 ? JSON.stringify(tool_calls) : "";
}

function firstText(...texts: readonly unknown[]): string | null {
  return texts.find((text): text is string => typeof text === "string" && text !== "") ?? null;
}
