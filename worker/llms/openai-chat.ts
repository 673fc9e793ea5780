/** OpenAI chat completions as TGI, vLLM, SGLang, llama.cpp and gateways speak them: bodies and answers, as pure functions. */
import { TidingError } from "../../shared/errors.ts";
import type { ChatMessage, FinishReason, Generation } from "../../shared/task/task.ts";
import { classifyInside200 } from "./classify-response.ts";
import type { ResponseContext, ServerResponse } from "./classify-response.ts";
import { rawResponse } from "./server-text.ts";

export type ChatFields = Readonly<Record<string, unknown>>;

export interface ChatFieldsOptions {
  /** Null leaves the field out. */
  readonly model: string | null;
  readonly stream: boolean;
  readonly isTgi: boolean;
}

/** What is the same in every body with these `generation_kwargs`: names translated, unknown ones as they are. */
export function chatFields(kwargs: ChatFields, { model, stream, isTgi }: ChatFieldsOptions): ChatFields {
  const { max_new_tokens, stop_sequences, seed: _seed, ...others } = kwargs;
  const fields: Record<string, unknown> = others;
  if (max_new_tokens !== undefined) fields["max_tokens"] = max_new_tokens;
  if (stop_sequences !== undefined) fields["stop"] = stop_sequences;
  // TGI refuses top_p 1, which is its default (`validation.rs`, router v3.3, for chat as for /generate).
  if (isTgi && fields["top_p"] === 1) delete fields["top_p"];
  if (model !== null) fields["model"] = model;
  if (stream) {
    fields["stream"] = true;
    fields["stream_options"] = { include_usage: true };
  }
  return fields;
}

/** The beginning of every body with these fields; serialised once, for it would cost a third of each body's time. */
export function chatBodyHead(fields: ChatFields): string {
  const text = JSON.stringify(fields).slice(0, -1);
  return text === "{" ? text : `${text},`;
}

export function chatBody(head: string, input: readonly ChatMessage[], seed: number): string {
  return `${head}"messages":${JSON.stringify(input)},"seed":${seed}}`;
}

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
  let answer: ChatAnswer | null;
  try {
    answer = JSON.parse(text) as ChatAnswer | null;
  } catch (error) {
    throw invalidAnswer(notJson(response), text, { context, cause: error });
  }
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

export function invalidAnswer(
  what: string,
  text: string,
  { context, cause }: { readonly context: ResponseContext; readonly cause?: unknown },
): TidingError {
  return new TidingError("RESPONSE_INVALID", `${context.endpoint} sent ${what}.`, {
    place: context.endpoint,
    details: { characters: text.length },
    rawResponse: rawResponse(text, context.secrets),
    cause,
  });
}

/** What came in place of JSON, in words. */
export function notJson({ headers, text }: ServerResponse): string {
  if (text.trim() === "") return "an empty answer";
  const type = String(headers["content-type"] ?? "no content type").split(";", 1)[0];
  return /json/.test(type ?? "") ? "JSON that breaks off or is malformed" : `${type} where JSON was expected`;
}

function textOf(message: ChatMessageFields): string {
  const { content, tool_calls } = message;
  if (typeof content === "string" && content !== "") return content;
  if (Array.isArray(content)) {
    return content.map((part: { text?: unknown } | null) => (typeof part?.text === "string" ? part.text : "")).join("");
  }
  return Array.isArray(tool_calls) && tool_calls.length > 0 ? JSON.stringify(tool_calls) : "";
}

function finishReasonOf(finish: unknown): FinishReason | null {
  if (typeof finish !== "string" || finish === "") return null;
  // TGI does not translate its own reasons everywhere (router v3.3).
  return finish === "stop_sequence" || finish === "eos_token" ? "stop" : finish;
}

function firstText(...texts: readonly unknown[]): string | null {
  return texts.find((text): text is string => typeof text === "string" && text !== "") ?? null;
}

function tokens(usage: unknown, key: "prompt_tokens" | "completion_tokens"): number | null {
  if (typeof usage !== "object" || usage === null) return null;
  const count = (usage as Record<string, unknown>)[key];
  return typeof count === "number" ? count : null;
}
