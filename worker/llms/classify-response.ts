/**
 * From a server's error answer to the error that the engine acts on: the table of "Flow control" (ARCHITECTURE.md).
 *
 * Wordings come before statuses where servers are known to use a status for something else: TGI reports overload inside a
 * stream as 422 (`chat.rs`, router v3.3), SGLang a full queue as 503 or as an event with code 503, Groq a prompt that can
 * never fit as 429, gateways a missing model as 400. Only fields known to hold the server's own message are quoted.
 */
import { TidingError } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { LLMInput } from "../../shared/task/task.ts";
import { quotable, rawResponse } from "./server-text.ts";

export interface ServerResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** What a wire expects of a server, in words. */
export interface WireService {
  /** "OpenAI chat" */
  readonly name: string;
  /** What to do where the server has no such route, as a sentence. */
  readonly mend: string;
}

export const OPENAI_CHAT: WireService = {
  name: "OpenAI chat",
  mend: "See that base_url ends before or at /v1, and that the server speaks the OpenAI API.",
};

/** What the request was, for messages that neither repeat it nor a key. */
export interface ResponseContext {
  readonly endpoint: string;
  readonly model: string | null;
  readonly input: LLMInput;
  readonly secrets: readonly string[];
  /** Of the wire that was tried; OpenAI chat when absent. */
  readonly service?: WireService;
  /** Epoch milliseconds, for a Retry-After that is a date; `Date.now` when absent. */
  readonly now?: () => number;
}

/** The fields of an error body, whatever server wrote it. */
interface ErrorFields {
  readonly message: string;
  /** `code`, `type` and `error_type`, joined: matched, never shown. */
  readonly kind: string;
  /** The HTTP status that an error inside a 200 names. */
  readonly status: number | null;
}

const KIND = {
  quota: /insufficient_quota|insufficient_balance|billing_hard_limit|billing_not_active/,
  saturated: /\boverloaded(_error)?\b|rate_limit/,
  model: /model_not_found|model_not_supported|model_not_available/,
  context: /exceed_context_size_error|context_length_exceeded|string_above_max_length/,
  filtered: /content_filter|content_policy|responsibleai/i,
} as const;
const TEXT = {
  saturated: /model is overloaded|queue is full|too many requests|rate limit (reached|exceeded)/i,
  loading:
    /loading model|model is (still |currently )?loading|is currently loading|scaled to zero|endpoint (is|has been) paused|endpoint is (initializ|starting)/i,
  context:
    /maximum context length|maximum model length|cannot be greater than max_model_len|max_tokens must be at least 1, got|longer than the model's context length|`inputs` must have less than|`inputs` tokens \+ `max_new_tokens` must be|exceeds? (the )?(available context size|maximum allowed input length|context (window|length))|request too large for model|prompt is too long|input is too large to process|maximum prompt length/i,
  filtered: /content[ _](filter|policy|management policy)|input was flagged|safety system/i,
  /** llama.cpp's server writes 500 for what no retry can change (`failed to parse messages` and the like). */
  unusable: /^failed to parse (messages|tools)\b|^(image|audio|video) input is not supported/i,
  rejected: /^(input validation error|template error|missing template va|tool error)/i,
} as const;

/** An answer whose status is not 200. */
export function classifyResponse(response: ServerResponse, context: ResponseContext): TidingError {
  const fields = errorFields(parsed(response.text)) ?? { message: "", kind: "", status: null };
  // A body that is no JSON is matched (llama.cpp proxies, nginx), but never quoted: nobody says what it holds.
  const searched = fields.message === "" ? response.text.slice(0, 2_000) : fields.message;
  const retryAfterMs = retryAfter(response.headers, context.now ?? Date.now);
  const code = codeFor(response.status, fields.kind, searched, { hasRetryAfter: retryAfterMs !== undefined });
  return errorFor(
    code,
    { status: response.status, fields, retryAfterMs, text: response.text, location: response.headers["location"] },
    context,
  );
}

/** What a server says went wrong, in its own words; empty where nobody can say that they are its own. */
export function serverWords(text: string, secrets: readonly string[]): string {
  return quotable(errorFields(parsed(text))?.message ?? "", [], secrets);
}

/** An `error` inside an answer or a stream event whose status is 200; null when the payload holds none. */
export function classifyInside200(payload: unknown, text: string, context: ResponseContext): TidingError | null {
  if (typeof payload !== "object" || payload === null) return null;
  const isError = ("error" in payload && Boolean(payload.error)) || ("object" in payload && payload.object === "error");
  if (!isError) return null;
  const fields = errorFields(payload) ?? { message: "", kind: "", status: null };
  // TGI writes 422 into every error of a chat stream, whatever its cause (router v3.3).
  const status =
    fields.status === null || fields.status === 422 ? (TEXT.rejected.test(fields.message) ? 422 : 500) : fields.status;
  const code = codeFor(status, fields.kind, fields.message, { hasRetryAfter: false });
  return errorFor(code, { status, fields, retryAfterMs: undefined, text, location: undefined }, context);
}

function codeFor(status: number, kind: string, text: string, { hasRetryAfter }: { hasRetryAfter: boolean }): ErrorCode {
  if (status === 402 || KIND.quota.test(kind)) return "QUOTA_EXHAUSTED";
  if (KIND.context.test(kind) || TEXT.context.test(text)) return "CONTEXT_TOO_LONG";
  const saysSaturated = KIND.saturated.test(kind) || TEXT.saturated.test(text);
  if (status === 429 || status === 529 || (saysSaturated && status >= 400)) return "ENDPOINT_SATURATED";
  const isRefusal = status === 401 || status === 405 || status === 415;
  if (status >= 400 && !isRefusal && TEXT.loading.test(text)) return "ENDPOINT_LOADING";
  if (status === 503 && hasRetryAfter) return "ENDPOINT_SATURATED";
  if ([400, 403, 422].includes(status) && (KIND.filtered.test(kind) || TEXT.filtered.test(text)))
    return "CONTENT_FILTERED";
  if (status >= 400 && status < 500 && KIND.model.test(kind)) return "MODEL_NOT_FOUND";
  if (status === 401 || status === 403) return "UNAUTHORIZED";
  if (status === 404)
    return /model/i.test(kind + text) && !text.trimStart().startsWith("<") ? "MODEL_NOT_FOUND" : "WRONG_SERVICE";
  if (status === 405 || status === 415 || (status >= 300 && status < 400)) return "WRONG_SERVICE";
  if (status === 501 || (status === 500 && TEXT.unusable.test(text))) return "REQUEST_REJECTED";
  if (status === 408 || status === 424 || status >= 500) return "ENDPOINT_ERROR";
  return status >= 400 ? "REQUEST_REJECTED" : "RESPONSE_INVALID";
}

interface Findings {
  readonly status: number;
  readonly fields: ErrorFields;
  readonly retryAfterMs: number | undefined;
  readonly text: string;
  readonly location: string | string[] | undefined;
}

function errorFor(code: ErrorCode, findings: Findings, context: ResponseContext): TidingError {
  const { endpoint, model, input, secrets, service = OPENAI_CHAT } = context;
  const { status, retryAfterMs, text } = findings;
  // Answers to a wrong key like to repeat part of it.
  const quoted = status === 401 ? "" : quotable(findings.fields.message, input, secrets);
  const [lead, mend] = wording(code, { endpoint, model, service, target: redirectTarget(findings.location) });
  return new TidingError(code, `${lead} (${status})${quoted === "" ? "." : `: ${quoted}`}`, {
    place: endpoint,
    details: { status },
    ...(mend === null ? {} : { mend }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(text === "" ? {} : { rawResponse: rawResponse(text, secrets) }),
  });
}

interface Names {
  readonly endpoint: string;
  readonly model: string | null;
  readonly service: WireService;
  readonly target: string | null;
}

function wording(
  code: ErrorCode,
  { endpoint, model, service, target }: Names,
): readonly [lead: string, mend: string | null] {
  switch (code) {
    case "QUOTA_EXHAUSTED":
      return [
        `The quota or credit at ${endpoint} is used up`,
        "Add credit or raise the limit, then run the same command again.",
      ];
    case "CONTEXT_TOO_LONG":
      return [
        "The prompt and max_new_tokens do not fit the model's context",
        "Shorten the input or lower max_new_tokens.",
      ];
    case "ENDPOINT_SATURATED":
      return [`${endpoint} is at its limit`, null];
    case "ENDPOINT_LOADING":
      return [`${endpoint} is not ready yet`, "If it is paused, resume it; a loading model only needs time."];
    case "CONTENT_FILTERED":
      return [`A content filter at ${endpoint} held the request back`, null];
    case "MODEL_NOT_FOUND":
      return [
        `${endpoint} does not serve ${model ?? "the model asked for"}`,
        "Set model_id to a name that the server lists under /v1/models.",
      ];
    case "UNAUTHORIZED":
      return [
        `${endpoint} refused the key`,
        "Set api_key to a reference such as ${HF_TOKEN} whose variable holds a key with access.",
      ];
    case "WRONG_SERVICE":
      if (target !== null)
        return [`${endpoint} redirects to ${target}`, "Use the address that it redirects to as base_url."];
      return [`${endpoint} has no ${service.name} route`, service.mend];
    case "REQUEST_REJECTED":
      return [`${endpoint} rejected the request`, null];
    case "RESPONSE_INVALID":
      return [`${endpoint} gave no answer with this status`, null];
    default:
      return [`${endpoint} failed`, null];
  }
}

/** Finds the error in a body of TGI, vLLM, SGLang, llama.cpp, OpenAI, FastAPI and the like; null when there is none. */
function errorFields(payload: unknown): ErrorFields | null {
  const first: unknown = Array.isArray(payload) ? payload[0] : payload;
  if (!isRecord(first)) return null;
  const inner = first["error"];
  const source = isRecord(inner) ? inner : first;
  const message = [typeof inner === "string" ? inner : null, source["message"], first["message"], first["detail"]].find(
    (text): text is string => typeof text === "string",
  );
  const kind = [source["code"], source["type"], first["error_type"]]
    .filter((each) => typeof each === "string")
    .join(" ");
  const status = [source["http_status_code"], source["code"], source["status"]]
    .map(Number)
    .find((each) => Number.isInteger(each) && each >= 400 && each < 600);
  return { message: message ?? "", kind, status: status ?? null };
}

/** `retry-after-ms`, or `retry-after` in seconds or as an HTTP date; in milliseconds. */
function retryAfter(headers: ServerResponse["headers"], now: () => number): number | undefined {
  const inMs = Number.parseFloat(String(headers["retry-after-ms"]));
  if (Number.isFinite(inMs)) return Math.max(0, inMs);
  const value = headers["retry-after"];
  if (typeof value !== "string") return undefined;
  if (/^\s*\d+(\.\d+)?\s*$/.test(value)) return Number.parseFloat(value) * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now());
}

/** Origin and path of a redirect; its query may hold a token. */
function redirectTarget(location: string | string[] | undefined): string | null {
  if (typeof location !== "string") return null;
  if (!URL.canParse(location)) return location.split("?", 1)[0] ?? null;
  const url = new URL(location);
  return url.origin + url.pathname;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Error pages of proxies are HTML; their status says enough.
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
