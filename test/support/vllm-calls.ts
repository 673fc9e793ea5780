/**
 * What is asked of vLLM for its captures, once of the real server (test/real/vllm.ts) and from then on of its captures
 * (test/contract/wires/vllm.test.ts).
 */
import type { LLMInput, StructuredOutput } from "../../shared/task/task.ts";

/** Sent through `InferenceEndpointsLLM`, so that the capture is of Tiding's own requests. */
export interface VllmCall {
  readonly name: string;
  readonly input: LLMInput;
  readonly generationKwargs: Readonly<Record<string, unknown>>;
  readonly stream?: boolean;
  readonly structuredOutput?: StructuredOutput;
}

/** Sent as it is: what Tiding never sends, or refuses to send to a server whose list it has read. */
export interface VllmRequest {
  readonly name: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  /** JSON, or a text that is none; null for none. */
  readonly body: unknown;
  /** Whether the server's key goes with it. */
  readonly key: "right" | "wrong" | "none";
}

/** The names that the captured server was started with, in that order. */
export const VLLM_NAMES = ["smollm2", "smollm2-135m-instruct"] as const;

export const QUESTION: LLMInput = [{ role: "user", content: "What is the capital of France?" }];
export const PROMPT = "Count: one, two, three, four,";
/** More than the captured server's context of 1,024 tokens. */
const LONG = "otter ".repeat(1_100).trim();
/** Of two tokens a word: leaves room for four, and for none. */
const NEARLY_FULL = "otter ".repeat(510).trim();
const FULL = "otter ".repeat(512).trim();
export const FIVE_STOPS = ["a", "b", "c", "d", "e"] as const;

const CITY: StructuredOutput = {
  format: "json",
  schema: {
    type: "object",
    properties: { city: { type: "string", maxLength: 12 }, capital: { type: "boolean" } },
    required: ["city", "capital"],
    additionalProperties: false,
  },
};
const CODE: StructuredOutput = { format: "regex", schema: "[A-D]{3}-[0-9]{4}" };
const NO_SCHEMA: StructuredOutput = { format: "json", schema: { type: "nonsense" } };
const greedy = (max_new_tokens: number): Readonly<Record<string, unknown>> => ({ max_new_tokens, temperature: 0 });

export const ANSWERED_CALLS: readonly VllmCall[] = [
  { name: "chat", input: QUESTION, generationKwargs: greedy(24) },
  { name: "chat-length", input: QUESTION, generationKwargs: greedy(3) },
  { name: "chat-stream", input: QUESTION, generationKwargs: greedy(24), stream: true },
  { name: "chat-json", input: QUESTION, generationKwargs: greedy(64), structuredOutput: CITY },
  { name: "chat-regex", input: QUESTION, generationKwargs: greedy(24), structuredOutput: CODE },
  { name: "completion", input: PROMPT, generationKwargs: { ...greedy(24), stop_sequences: [" seven"] } },
  { name: "completion-length", input: PROMPT, generationKwargs: greedy(3) },
  {
    name: "completion-stream",
    input: PROMPT,
    generationKwargs: { ...greedy(24), stop_sequences: [" seven"] },
    stream: true,
  },
  { name: "completion-json", input: PROMPT, generationKwargs: greedy(64), structuredOutput: CITY },
  { name: "completion-regex", input: PROMPT, generationKwargs: greedy(24), structuredOutput: CODE },
  { name: "completion-nearly-full", input: NEARLY_FULL, generationKwargs: greedy(24) },
];

export const REFUSED_CALLS: readonly VllmCall[] = [
  { name: "chat-too-long", input: [{ role: "user", content: LONG }], generationKwargs: greedy(5) },
  { name: "completion-too-long", input: LONG, generationKwargs: greedy(5) },
  { name: "completion-full", input: FULL, generationKwargs: greedy(24) },
  { name: "too-many-new-tokens", input: PROMPT, generationKwargs: greedy(2_000) },
  { name: "schema", input: QUESTION, generationKwargs: greedy(5), structuredOutput: NO_SCHEMA },
  { name: "schema-stream", input: QUESTION, generationKwargs: greedy(5), structuredOutput: NO_SCHEMA, stream: true },
  { name: "regex", input: PROMPT, generationKwargs: greedy(5), structuredOutput: { format: "regex", schema: "([" } },
  { name: "out-of-range", input: PROMPT, generationKwargs: { ...greedy(5), min_p: 2 } },
  { name: "other-type", input: QUESTION, generationKwargs: { ...greedy(5), min_tokens: "many" } },
  {
    name: "image",
    input: [
      {
        role: "user",
        content: [
          { type: "text", text: "What is the capital of France?" },
          { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
        ],
      },
    ],
    generationKwargs: greedy(5),
  },
];

const chat = (name: string, body: unknown, key: VllmRequest["key"] = "right"): VllmRequest => ({
  name,
  method: "POST",
  path: "/v1/chat/completions",
  body,
  key,
});
const get = (name: string, path: string, key: VllmRequest["key"] = "right"): VllmRequest => ({
  name,
  method: "GET",
  path,
  body: null,
  key,
});

export const REQUESTS: readonly VllmRequest[] = [
  get("info", "/info"),
  get("models", "/v1/models"),
  get("version", "/version"),
  get("health", "/health"),
  get("wrong-key", "/v1/models", "wrong"),
  chat("no-key", { model: VLLM_NAMES[0], messages: QUESTION, max_tokens: 5 }, "none"),
  chat("unknown-model", { model: "another", messages: QUESTION, max_tokens: 5 }),
  chat("second-name", { model: VLLM_NAMES[1], messages: QUESTION, max_tokens: 5, temperature: 0 }),
  chat("no-messages", {}),
  chat("missing-role", { model: VLLM_NAMES[0], messages: [{ content: "What is the capital of France?" }] }),
  chat("not-json", '{"mess'),
  chat("stops-alone", { stop: FIVE_STOPS }),
  {
    name: "five-stops",
    method: "POST",
    path: "/v1/completions",
    body: {
      temperature: 0,
      max_tokens: 5,
      stop: FIVE_STOPS,
      add_special_tokens: false,
      model: VLLM_NAMES[0],
      prompt: PROMPT,
      seed: 11,
    },
    key: "right",
  },
  // As to a server that does not tell its version.
  {
    name: "both-fields",
    method: "POST",
    path: "/v1/completions",
    body: {
      model: VLLM_NAMES[0],
      prompt: PROMPT,
      max_tokens: 24,
      temperature: 0,
      structured_outputs: { regex: CODE.schema },
      guided_regex: CODE.schema,
    },
    key: "right",
  },
  {
    name: "tokenize",
    method: "POST",
    path: "/tokenize",
    body: { model: VLLM_NAMES[0], prompt: "<|im_start|>user\nHello<|im_end|>\n", add_special_tokens: false },
    key: "right",
  },
];
