/**
 * The bodies and stream events of TGI's router v3.3 as strings (`lib.rs`, `server.rs`, axum 0.7's event framing), built
 * by joining constant pieces: `JSON.stringify` would cost more than all the rest of a request.
 *
 * Answers hold no character that JSON escapes (answer.ts), so they are joined in as they are.
 */

import type { Answer } from "./answer.ts";
import type { GenerationCall } from "./generation-call.ts";
import { MAX_BEST_OF, MAX_STOP_SEQUENCES } from "./generation-call.ts";
import type { SimulatorOptions } from "./options.ts";
import { tokenId } from "./vocabulary.ts";

const VERSION = "3.3.7";
/** What `/info` reports where there is no limit, for TGI always has one. */
const NO_LIMIT = 1_000_000;
const FINGERPRINT = `"system_fingerprint":"${VERSION}-native"`;
const DONE = "data: [DONE]\n\n";
const END_OF_SEQUENCE = "</s>";

export interface ErrorBody {
  readonly status: number;
  readonly error: string;
  readonly type: string;
}

export const OVERLOADED: ErrorBody = { status: 429, error: "Model is overloaded", type: "overloaded" };
export const INCOMPLETE: ErrorBody = { status: 500, error: "Incomplete generation", type: "incomplete_generation" };
export const GENERATION_FAILED: ErrorBody = {
  status: 424,
  error: "Request failed during generation: simulated failure",
  type: "generation",
};

/** TGI's rejection of a request, with the text its validation gives. */
export function invalid(text: string): ErrorBody {
  return { status: 422, error: `Input validation error: ${text}`, type: "validation" };
}

export function errorJson({ error, type }: ErrorBody): string {
  return `{"error":${JSON.stringify(error)},"error_type":"${type}"}`;
}

/** How an error ends a stream that has status 200: one event, and for chat the end mark after it. */
export function errorEvents(call: GenerationCall, error: ErrorBody): string {
  if (call.route !== "chat" && call.route !== "completions") return `data: ${errorJson(error)}\n\n`;
  // 422 whatever the cause: TGI has it hard-coded.
  return `data: {"error":{"message":${JSON.stringify(error.error)},"http_status_code":422}}\n\n${DONE}`;
}

/** The body of a plain answer. */
export function answerJson(call: GenerationCall, answer: Answer, modelJson: string): string {
  if (call.route === "chat") {
    return (
      `{"object":"chat.completion","id":"","created":${now()},"model":${modelJson},${FINGERPRINT},"choices":[{"index":0,` +
      `"message":{"role":"assistant","content":"${answer.text}"},"logprobs":null,` +
      `"finish_reason":"${answer.cut ? "length" : "stop"}"}],"usage":${usageJson(call, answer)}}`
    );
  }
  if (call.route === "completions") {
    return (
      `{"object":"text_completion","id":"","created":${now()},"model":${modelJson},${FINGERPRINT},"choices":[{"index":0,` +
      `"text":"${answer.text}","logprobs":null,"finish_reason":"${answer.cut ? "length" : "stop"}"}],` +
      `"usage":${usageJson(call, answer)}}`
    );
  }
  const details = call.details ? `,"details":${detailsJson(call, answer)}` : "";
  const body = `{"generated_text":${generatedText(call, answer)}${details}}`;
  return call.route === "compat" ? `[${body}]` : body;
}

/** The events of a streamed answer, each with its blank line, made when asked for: a batch sends one a step. */
export interface AnswerEvents {
  /** Events that carry a token each. */
  readonly tokens: number;
  /** The event of a token, from 0; the last one carries the end. */
  readonly token: (index: number) => string;
  /** What follows the last token: usage where asked for, and the end mark. Empty for TGI's own routes. */
  readonly tail: readonly string[];
}

export function answerEventsOf(call: GenerationCall, answer: Answer, modelJson: string): AnswerEvents {
  const words = answer.text.split(" ");
  const tokens = answer.cut ? words.length : words.length + 1;
  const tokenAt = (index: number): AnswerToken =>
    tokenOf(index === words.length ? END_OF_SEQUENCE : index === 0 ? words[0]! : ` ${words[index]!}`);
  if (call.route === "chat") {
    const head = `data: {"object":"chat.completion.chunk","id":"","created":${now()},"model":${modelJson},${FINGERPRINT},"choices":[`;
    const token = (index: number): string => {
      const { special, text } = tokenAt(index);
      const finish = index < tokens - 1 ? "null" : answer.cut ? `"length"` : `"stop"`;
      const delta = `{"role":"assistant","content":"${special ? "" : text}"}`;
      return `${head}{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}],"usage":null}\n\n`;
    };
    const usage = call.includeUsage ? [`${head}],"usage":${usageJson(call, answer)}}\n\n`] : [];
    return { tokens, token, tail: [...usage, DONE] };
  }
  if (call.route === "completions") {
    const head = `data: {"object":"text_completion","id":"","created":${now()},"model":${modelJson},${FINGERPRINT},"choices":[`;
    const token = (index: number): string => {
      const { special, text } = tokenAt(index);
      // The last one names the reason as TGI's own routes do, and carries usage whether asked for or not.
      const last = index === tokens - 1;
      const end = last ? `],"usage":${usageJson(call, answer)}` : "]";
      const reason = last ? finishReason(answer) : "";
      return `${head}{"index":0,"text":"${special ? "" : text}","logprobs":null,"finish_reason":"${reason}"}${end}}\n\n`;
    };
    return { tokens, token, tail: [DONE] };
  }
  const token = (index: number): string => {
    const end = index < tokens - 1 ? `null,"details":null` : generateEnd(call, answer);
    return `data: {"index":${index + 1},"token":${tokenAt(index).json},"generated_text":${end}}\n\n`;
  };
  return { tokens, token, tail: [] };
}

/** The events of a streamed answer, one a token; the last ones carry the end. */
export function answerEvents(call: GenerationCall, answer: Answer, modelJson: string): string[] {
  const { tokens, token, tail } = answerEventsOf(call, answer, modelJson);
  return [...Array.from({ length: tokens }, (_, index) => token(index)), ...tail];
}

/** The body of `/info`; no revision of a model and no container image exist here. */
export function infoJson(options: SimulatorOptions): string {
  return JSON.stringify({
    model_id: options.model,
    model_sha: null,
    model_pipeline_tag: "text-generation",
    max_concurrent_requests: options.maxConcurrentRequests || NO_LIMIT,
    max_best_of: MAX_BEST_OF,
    max_stop_sequences: MAX_STOP_SEQUENCES,
    max_input_tokens: options.maxInputTokens,
    max_total_tokens: options.maxTotalTokens,
    validation_workers: 2,
    max_client_batch_size: 4,
    router: "text-generation-router",
    version: VERSION,
    sha: null,
    docker_label: null,
  });
}

export function modelsJson(model: string): string {
  return JSON.stringify({ object: "list", data: [{ id: model, object: "model", created: 0, owned_by: model }] });
}

interface AnswerToken {
  readonly text: string;
  readonly special: boolean;
  readonly json: string;
}

function tokensOf(answer: Answer): AnswerToken[] {
  const tokens = answer.text.split(" ").map((word, index) => tokenOf(index === 0 ? word : ` ${word}`));
  if (!answer.cut) tokens.push(tokenOf(END_OF_SEQUENCE));
  return tokens;
}

function tokenOf(text: string): AnswerToken {
  const special = text === END_OF_SEQUENCE;
  const id = special ? 2 : tokenId(text);
  return { text, special, json: `{"id":${id},"text":"${text}","logprob":-0.25,"special":${special}}` };
}

function generateEnd(call: GenerationCall, answer: Answer): string {
  const details = call.details
    ? `{"finish_reason":"${finishReason(answer)}","generated_tokens":${answer.tokens},"seed":${call.seed},"input_length":${call.promptTokens}}`
    : "null";
  return `${generatedText(call, answer)},"details":${details}`;
}

function detailsJson(call: GenerationCall, answer: Answer): string {
  const tokens = tokensOf(answer).map((token) => token.json);
  const prefill = call.prefill
    ? (call.prompt.match(/\S+/g) ?? []).map((text, index) => ({ id: 4, text, logprob: index === 0 ? null : -0.25 }))
    : [];
  return (
    `{"finish_reason":"${finishReason(answer)}","generated_tokens":${answer.tokens},"seed":${call.seed},` +
    `"prefill":${JSON.stringify(prefill)},"tokens":[${tokens.join(",")}]}`
  );
}

function generatedText(call: GenerationCall, answer: Answer): string {
  return call.fullText ? JSON.stringify(call.prompt + answer.text) : `"${answer.text}"`;
}

function finishReason(answer: Answer): string {
  return answer.cut ? "length" : "eos_token";
}

function usageJson({ promptTokens }: GenerationCall, { tokens }: Answer): string {
  return `{"prompt_tokens":${promptTokens},"completion_tokens":${tokens},"total_tokens":${promptTokens + tokens}}`;
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
