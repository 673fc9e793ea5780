/**
 * Reading a request body the way TGI's router does: first its types (a plain-text 422 where they do not fit), later its
 * limits (a 422 with TGI's words). Unknown fields are ignored, as serde ignores them.
 *
 * Limits and their texts: TGI router v3.3, `validation.rs`. Not simulated: tools, grammar and response_format (refused
 * as by a TGI launched with `--disable-grammar-support`), log probabilities, stop sequences, best_of beyond its limits.
 */

import { countTokens, promptOf } from "./answer.ts";
import type { PromptMessage } from "./answer.ts";

export type Route = "chat" | "completions" | "generate" | "compat" | "images";

/** `bytes`; `text`: base64 as a JSON text; `list`: base64 in OpenAI's `data`. */
export type ImageForm = "bytes" | "text" | "list";

export interface GenerationCall {
  readonly route: Route;
  readonly prompt: string;
  readonly promptTokens: number;
  readonly stream: boolean;
  readonly maxTokens: number | null;
  readonly seed: number | null;
  /** `/generate` only: whether the answer carries `details`, its prompt tokens, and the prompt itself. */
  readonly details: boolean;
  readonly prefill: boolean;
  readonly fullText: boolean;
  /** Chat streams only. */
  readonly includeUsage: boolean;
  /** Null for an answer in words. */
  readonly image: ImageForm | null;
  /** What TGI's validation says against the request, or null. */
  readonly invalid: string | null;
}

export interface CallLimits {
  readonly maxInputTokens: number;
  readonly maxTotalTokens: number;
}

export const MAX_BEST_OF = 2;
export const MAX_STOP_SEQUENCES = 4;
const MAX_TOP_N_TOKENS = 5;

/** A body whose types do not fit; the message is what axum says after its fixed words. */
export class BodyMisfit extends Error {
  override readonly name = "BodyMisfit";
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads the parsed body of `/generate`, `/generate_stream` and `/`. Throws `BodyMisfit`. */
export function readGenerateCall(
  body: unknown,
  route: "generate" | "compat",
  options: { readonly stream: boolean; readonly limits: CallLimits },
): GenerationCall {
  const fields = objectOf(body, "GenerateRequest");
  const inputs = fields["inputs"];
  if (inputs === undefined) throw new BodyMisfit("missing field `inputs`");
  if (typeof inputs !== "string") throw new BodyMisfit(`inputs: invalid type: ${typeName(inputs)}, expected a string`);
  const parameters = fields["parameters"] === undefined ? {} : objectOf(fields["parameters"], "GenerateParameters");
  const stream = route === "compat" ? flag(fields, "stream") : options.stream;
  const numbers = {
    maxTokens: whole(parameters, "max_new_tokens"),
    seed: whole(parameters, "seed"),
    stop: list(parameters, "stop"),
    promptTokens: countTokens(inputs),
  };
  return {
    route,
    prompt: inputs,
    promptTokens: numbers.promptTokens,
    stream,
    maxTokens: numbers.maxTokens,
    seed: numbers.seed,
    details: flag(parameters, "details") || flag(parameters, "decoder_input_details"),
    prefill: flag(parameters, "decoder_input_details"),
    fullText: flag(parameters, "return_full_text"),
    includeUsage: false,
    image: null,
    invalid:
      refusedForStream(parameters, stream) ??
      refusedParameter(parameters, numbers) ??
      refusedLength(inputs, numbers, options.limits),
  };
}

/** Reads the parsed body of `/v1/chat/completions`. Throws `BodyMisfit`. */
export function readChatCall(body: unknown, limits: CallLimits): GenerationCall {
  const fields = objectOf(body, "ChatRequest");
  const messages = fields["messages"];
  if (messages === undefined) throw new BodyMisfit("missing field `messages`");
  if (!Array.isArray(messages))
    throw new BodyMisfit(`messages: invalid type: ${typeName(messages)}, expected a sequence`);
  messages.forEach(checkMessage);
  const prompt = promptOf(messages as PromptMessage[]);
  const numbers = {
    maxTokens: whole(fields, "max_tokens") ?? whole(fields, "max_completion_tokens"),
    seed: whole(fields, "seed"),
    stop: list(fields, "stop"),
    promptTokens: countTokens(prompt),
  };
  // Chat takes 0 for greedy decoding; `/generate` refuses it.
  const sampling = fields["temperature"] === 0 ? { ...fields, temperature: null } : fields;
  return {
    route: "chat",
    prompt,
    promptTokens: numbers.promptTokens,
    stream: flag(fields, "stream"),
    maxTokens: numbers.maxTokens,
    seed: numbers.seed,
    details: false,
    prefill: false,
    fullText: false,
    includeUsage:
      fields["stream_options"] != null && flag(objectOf(fields["stream_options"], "StreamOptions"), "include_usage"),
    image: null,
    invalid: refusedParameter(sampling, numbers) ?? refusedLength(prompt, numbers, limits),
  };
}

/**
 * Reads the parsed body of `/v1/completions`. Throws `BodyMisfit`. TGI takes several prompts, here it is one. For a plain
 * answer TGI computes the prompt's log probabilities, and so leaves the prefix cache alone: `prefill` says so.
 */
export function readCompletionsCall(body: unknown, limits: CallLimits): GenerationCall {
  const fields = objectOf(body, "CompletionRequest");
  const given = fields["prompt"];
  if (given === undefined) throw new BodyMisfit("missing field `prompt`");
  const prompts: readonly unknown[] = Array.isArray(given) ? given : [given];
  const [prompt] = prompts;
  if (prompts.length !== 1 || typeof prompt !== "string") throw new BodyMisfit("prompt: only one text is simulated");
  const stream = flag(fields, "stream");
  const numbers = {
    maxTokens: whole(fields, "max_tokens"),
    stop: list(fields, "stop"),
    promptTokens: countTokens(prompt),
  };
  const sampling = fields["temperature"] === 0 ? { ...fields, temperature: null } : fields;
  return {
    route: "completions",
    prompt,
    promptTokens: numbers.promptTokens,
    stream,
    maxTokens: numbers.maxTokens,
    seed: whole(fields, "seed"),
    details: false,
    prefill: !stream,
    fullText: false,
    includeUsage: false,
    image: null,
    invalid: refusedParameter(sampling, numbers) ?? refusedLength(prompt, numbers, limits),
  };
}

interface CallNumbers {
  readonly maxTokens: number | null;
  readonly stop: readonly unknown[];
  readonly promptTokens: number;
}

function refusedForStream(parameters: Fields, stream: boolean): string | null {
  if (!stream) return null;
  if ((whole(parameters, "best_of") ?? 1) !== 1) return "`best_of` != 1 is not supported when streaming tokens";
  if (!flag(parameters, "decoder_input_details")) return null;
  return "`decoder_input_details` == true is not supported when streaming tokens";
}

function refusedParameter(parameters: Fields, { maxTokens, stop }: CallNumbers): string | null {
  const bestOf = whole(parameters, "best_of") ?? 1;
  if (bestOf > MAX_BEST_OF) return `\`best_of\` must be > 0 and <= ${MAX_BEST_OF}. Given: ${bestOf}`;
  if ((number(parameters, "temperature") ?? 1) <= 0) return "`temperature` must be strictly positive";
  if ((number(parameters, "repetition_penalty") ?? 1) <= 0) return "`repetition_penalty` must be strictly positive";
  if (Math.abs(number(parameters, "frequency_penalty") ?? 0) > 2)
    return "`frequency_penalty` must be >= -2.0 and <= 2.0";
  if (outsideUnit(number(parameters, "top_p"))) return "`top_p` must be > 0.0 and < 1.0";
  if (outsideUnit(number(parameters, "typical_p"))) return "`typical_p` must be > 0.0 and < 1.0";
  if ((number(parameters, "top_k") ?? 1) <= 0) return "`top_k` must be strictly positive";
  if (maxTokens === 0) return "`max_new_tokens` must be strictly positive";
  if (stop.length > MAX_STOP_SEQUENCES) {
    return `\`stop\` supports up to ${MAX_STOP_SEQUENCES} stop sequences. Given: ${stop.length}`;
  }
  const topTokens = whole(parameters, "top_n_tokens") ?? whole(parameters, "top_logprobs") ?? 0;
  if (topTokens > MAX_TOP_N_TOKENS)
    return `\`top_n_tokens\` must be >= 0 and <= ${MAX_TOP_N_TOKENS}. Given: ${topTokens}`;
  const constrained = parameters["grammar"] ?? parameters["response_format"] ?? parameters["tools"];
  return constrained == null ? null : "grammar is not supported";
}

function refusedLength(prompt: string, { maxTokens, promptTokens }: CallNumbers, limits: CallLimits): string | null {
  if (prompt === "") return "`inputs` cannot be empty";
  // TGI only ever allots 1,024 new tokens at once and checks against those.
  const allotted = Math.min(maxTokens ?? Math.max(0, limits.maxTotalTokens - promptTokens), 1024);
  if (promptTokens + allotted > limits.maxTotalTokens) {
    const given = `${promptTokens} \`inputs\` tokens and ${allotted} \`max_new_tokens\``;
    return `\`inputs\` tokens + \`max_new_tokens\` must be <= ${limits.maxTotalTokens}. Given: ${given}`;
  }
  if (promptTokens <= limits.maxInputTokens) return null;
  return `\`inputs\` must have less than ${limits.maxInputTokens} tokens. Given: ${promptTokens}`;
}

function checkMessage(message: unknown, index: number): void {
  const { role, content } = objectOf(message, "Message") as { role?: unknown; content?: unknown };
  if (typeof role !== "string") throw new BodyMisfit(`messages[${index}]: missing field \`role\``);
  if (content == null || typeof content === "string" || Array.isArray(content)) return;
  throw new BodyMisfit(`messages[${index}].content: data did not match any variant of untagged enum MessageContent`);
}

export function objectOf(value: unknown, expected: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new BodyMisfit(`invalid type: ${typeName(value)}, expected struct ${expected}`);
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name] ?? false;
  if (typeof value === "boolean") return value;
  throw new BodyMisfit(`${name}: invalid type: ${typeName(value)}, expected a boolean`);
}

function number(fields: Fields, name: string): number | null {
  const value = fields[name] ?? null;
  if (value === null || typeof value === "number") return value;
  throw new BodyMisfit(`${name}: invalid type: ${typeName(value)}, expected f32`);
}

export function whole(fields: Fields, name: string): number | null {
  const value = fields[name] ?? null;
  if (value === null || (typeof value === "number" && Number.isInteger(value) && value >= 0)) return value;
  throw new BodyMisfit(`${name}: invalid value: ${typeName(value)}, expected an unsigned integer`);
}

function list(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name] ?? [];
  if (Array.isArray(value)) return value;
  throw new BodyMisfit(`${name}: invalid type: ${typeName(value)}, expected a sequence`);
}

function outsideUnit(value: number | null): boolean {
  return value !== null && (value <= 0 || value >= 1);
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "sequence";
  return typeof value === "object" ? "map" : typeof value;
}
