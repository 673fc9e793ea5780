import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorCode } from "../../../../shared/errors.ts";
import { classifyInside200, classifyResponse } from "../../../../worker/llms/classify-response.ts";

const context = {
  endpoint: "http://127.0.0.1:8080",
  model: "some/model",
  input: [{ role: "user", content: "What is the airspeed of an unladen swallow?" }],
  secrets: ["sk-canary-key"],
  now: () => Date.parse("2026-11-21T10:00:00Z"),
};

function classify(status: number, body: unknown, headers: Record<string, string> = {}) {
  return classifyResponse({ status, headers, text: typeof body === "string" ? body : JSON.stringify(body) }, context);
}

const openai = (message: string, fields: Record<string, unknown> = {}) => ({
  error: { message, type: "invalid_request_error", param: null, code: null, ...fields },
});

const answers: readonly [
  server: string,
  status: number,
  body: unknown,
  code: ErrorCode,
  headers?: Record<string, string>,
][] = [
  ["TGI at its limit", 429, { error: "Model is overloaded", error_type: "overloaded" }, "ENDPOINT_SATURATED"],
  [
    "TGI, a failed batch",
    424,
    { error: "Request failed during generation: CUDA", error_type: "generation" },
    "ENDPOINT_ERROR",
  ],
  ["TGI, incomplete", 500, { error: "Incomplete generation", error_type: "incomplete_generation" }, "ENDPOINT_ERROR"],
  [
    "TGI, a long prompt",
    422,
    {
      error: "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000",
      error_type: "validation",
    },
    "CONTEXT_TOO_LONG",
  ],
  [
    "TGI, prompt and answer",
    422,
    {
      error:
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 512 `max_new_tokens`",
      error_type: "validation",
    },
    "CONTEXT_TOO_LONG",
  ],
  [
    "TGI, a bad parameter",
    422,
    { error: "Input validation error: `top_p` must be > 0.0 and < 1.0", error_type: "validation" },
    "REQUEST_REJECTED",
  ],
  [
    "TGI, a template",
    422,
    { error: "Template error: undefined value", error_type: "template_error" },
    "REQUEST_REJECTED",
  ],
  ["TGI, unhealthy", 503, { error: "unhealthy", error_type: "healthcheck" }, "ENDPOINT_ERROR"],
  [
    "axum, not JSON",
    422,
    "Failed to deserialize the JSON body into the target type: messages: invalid",
    "REQUEST_REJECTED",
  ],
  ["TGI with a key", 401, "", "UNAUTHORIZED"],
  [
    "vLLM, a long prompt",
    400,
    openai("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.", {
      type: "BadRequestError",
      code: 400,
    }),
    "CONTEXT_TOO_LONG",
  ],
  [
    "vLLM, no such model",
    404,
    openai("The model `other` does not exist.", { type: "NotFoundError", code: 404 }),
    "MODEL_NOT_FOUND",
  ],
  [
    "vLLM, flat",
    400,
    { object: "error", message: "temperature must be non-negative", type: "BadRequestError", param: null, code: 400 },
    "REQUEST_REJECTED",
  ],
  [
    "SGLang, a long prompt",
    400,
    {
      object: "error",
      message: "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
      type: "BadRequestError",
      param: null,
      code: 400,
    },
    "CONTEXT_TOO_LONG",
  ],
  [
    "SGLang, a full queue",
    503,
    { object: "error", message: "The request queue is full.", type: "ServiceUnavailable", code: 503 },
    "ENDPOINT_SATURATED",
  ],
  [
    "llama.cpp, loading",
    503,
    { error: { code: 503, message: "Loading model", type: "unavailable_error" } },
    "ENDPOINT_LOADING",
  ],
  [
    "llama.cpp, a long prompt",
    400,
    {
      error: {
        code: 400,
        message: "the request exceeds the available context size, try increasing it",
        type: "exceed_context_size_error",
        n_prompt_tokens: 9000,
        n_ctx: 4096,
      },
    },
    "CONTEXT_TOO_LONG",
  ],
  [
    "llama.cpp, a large batch",
    500,
    {
      error: {
        code: 500,
        message: "input is too large to process. increase the physical batch size",
        type: "server_error",
      },
    },
    "CONTEXT_TOO_LONG",
  ],
  [
    "llama.cpp, not supported",
    501,
    { error: { code: 501, message: "This server does not support it", type: "not_supported_error" } },
    "REQUEST_REJECTED",
  ],
  [
    "Hugging Face, loading",
    503,
    { error: "Model some/model is currently loading", estimated_time: 20 },
    "ENDPOINT_LOADING",
  ],
  [
    "Hugging Face, paused",
    400,
    { error: "Bad Request: endpoint is paused, ask a maintainer to restart it" },
    "ENDPOINT_LOADING",
  ],
  ["Hugging Face, credit", 402, { error: "You have exceeded your monthly included credits" }, "QUOTA_EXHAUSTED"],
  [
    "OpenAI, rate limit",
    429,
    openai("Rate limit reached for requests", { type: "requests", code: "rate_limit_exceeded" }),
    "ENDPOINT_SATURATED",
  ],
  [
    "OpenAI, quota",
    429,
    openai("You exceeded your current quota", { type: "insufficient_quota", code: "insufficient_quota" }),
    "QUOTA_EXHAUSTED",
  ],
  ["OpenAI, a long prompt", 400, openai("too long", { code: "context_length_exceeded" }), "CONTEXT_TOO_LONG"],
  ["OpenAI, no such model", 404, openai("The model does not exist", { code: "model_not_found" }), "MODEL_NOT_FOUND"],
  ["a router, no such model", 400, openai("unknown", { code: "model_not_found" }), "MODEL_NOT_FOUND"],
  ["Azure, a filter", 400, openai("The response was filtered", { code: "content_filter" }), "CONTENT_FILTERED"],
  [
    "Groq, never fits",
    429,
    openai("Request too large for model `m` on tokens per minute (TPM): Limit 12000, Requested 15318"),
    "CONTEXT_TOO_LONG",
  ],
  ["a wrong path", 404, { detail: "Not Found" }, "WRONG_SERVICE"],
  ["a page", 404, "<html><title>model zoo</title></html>", "WRONG_SERVICE"],
  ["a wrong method", 405, { detail: "Method Not Allowed" }, "WRONG_SERVICE"],
  ["a proxy", 502, "<html>Bad Gateway</html>", "ENDPOINT_ERROR"],
  ["a proxy, timed out", 504, "", "ENDPOINT_ERROR"],
  ["a maintenance page", 503, "<html>Service Unavailable</html>", "ENDPOINT_ERROR"],
  ["a busy gateway", 503, "", "ENDPOINT_SATURATED", { "retry-after": "3" }],
  ["no access", 403, { error: "Forbidden" }, "UNAUTHORIZED"],
  ["a large body", 413, "", "REQUEST_REJECTED"],
  ["a slow request", 408, "", "ENDPOINT_ERROR"],
  ["a redirect", 307, "", "WRONG_SERVICE", { location: "https://elsewhere.test/v1/chat/completions?key=1" }],
];

for (const [server, status, body, code, headers] of answers) {
  void test(`${server} (${status}) is ${code}`, () => {
    assert.equal(classify(status, body, headers).code, code);
  });
}

const inside: readonly [what: string, payload: unknown, code: ErrorCode][] = [
  [
    "TGI's overload, with its 422",
    { error: { message: "Model is overloaded", http_status_code: 422 } },
    "ENDPOINT_SATURATED",
  ],
  ["TGI's overload on its own route", { error: "Model is overloaded", error_type: "overloaded" }, "ENDPOINT_SATURATED"],
  [
    "TGI's failed batch, with its 422",
    { error: { message: "Request failed during generation: x", http_status_code: 422 } },
    "ENDPOINT_ERROR",
  ],
  [
    "TGI's validation, with its 422",
    { error: { message: "Input validation error: `top_p` must be > 0.0 and < 1.0", http_status_code: 422 } },
    "REQUEST_REJECTED",
  ],
  ["SGLang's full queue", { error: { message: "The request queue is full.", code: 503 } }, "ENDPOINT_SATURATED"],
  ["a gateway's status", { error: { message: "upstream", code: 402 } }, "QUOTA_EXHAUSTED"],
  ["an error without a status", { object: "error", message: "something" }, "ENDPOINT_ERROR"],
];
for (const [what, payload, code] of inside) {
  void test(`inside a 200, ${what} is ${code}`, () => {
    assert.equal(classifyInside200(payload, JSON.stringify(payload), context)?.code, code);
  });
}

void test("an answer without an error inside is none", () => {
  assert.equal(classifyInside200({ choices: [], error: null }, "", context), null);
});

void test("Retry-After is read as seconds, as a date and in milliseconds", () => {
  assert.equal(classify(429, "", { "retry-after": "1.5" }).retryAfterMs, 1_500);
  assert.equal(classify(429, "", { "retry-after": "Sat, 21 Nov 2026 10:00:20 GMT" }).retryAfterMs, 20_000);
  assert.equal(classify(429, "", { "retry-after": "9", "retry-after-ms": "250" }).retryAfterMs, 250);
  assert.equal(classify(429, "", { "retry-after": "soon" }).retryAfterMs, undefined);
});

void test("a server's short message is shown, its first line, cut to 300 characters", () => {
  const { message } = classify(422, { error: `Input validation error: ${"long ".repeat(200)}\nsecond line` });
  assert.match(message, /Input validation error/);
  assert.ok(!message.includes("second line"));
  assert.ok(message.length < 400);
});

void test("a message that repeats the prompt is not shown, and the failed row still has it", () => {
  const error = classify(400, openai("cannot tokenize 'What is the airspeed of an unladen\\n swallow?'"));
  assert.ok(!error.message.includes("airspeed"), error.message);
  assert.match(error.rawResponse ?? "", /airspeed/);
});

void test("of vLLM's list of what does not fit every field is told, in whichever quotes, and never its value", () => {
  const { message } = classify(
    400,
    openai(
      "2 validation errors:\n  {'type': 'literal_error', 'loc': 'body.tool_choice', 'msg': \"Input should be 'none'\", 'input': 'canary'}" +
        "\n  {'type': 'too_long', 'loc': 'body.stop', 'msg': 'At most 4 items', 'input': '<list of 5 items>'}",
    ),
  );
  assert.match(message, /: body\.tool_choice: Input should be 'none'; body\.stop: At most 4 items$/);
});

void test("what pydantic appends of the input is not shown", () => {
  const { message } = classify(
    400,
    openai("[{'type': 'missing', 'msg': 'Field required', 'input': {'secret': 'thing'}}]"),
  );
  assert.match(message, /Field required/);
  assert.ok(!message.includes("thing"));
});

void test("a body that is no JSON is never quoted", () => {
  assert.ok(!classify(422, "Failed to deserialize: something private").message.includes("private"));
});

void test("a key never shows, neither in the message nor in the raw response", () => {
  for (const status of [400, 401, 403, 500]) {
    const error = classify(status, openai("Incorrect API key provided: sk-canary-key"));
    assert.ok(!error.message.includes("sk-canary-key"));
    assert.ok(!(error.rawResponse ?? "").includes("sk-canary-key"));
  }
});

void test("the raw response is cut", () => {
  assert.equal(classify(500, "x".repeat(100_000)).rawResponse?.length, 65_536);
});

void test("a redirect names its target without the query", () => {
  const { message } = classify(307, "", { location: "https://elsewhere.test/v1/chat/completions?key=1" });
  assert.match(message, /https:\/\/elsewhere\.test\/v1\/chat\/completions/);
  assert.ok(!message.includes("key=1"));
});
