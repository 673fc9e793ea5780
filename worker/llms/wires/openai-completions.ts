/**
 * The wire of OpenAI completions, for rendered prompts on servers other than TGI: vLLM, SGLang, llama.cpp, gateways.
 *
 * TGI's own route of that name is avoided: it drops `grammar` and `top_k`, and computes the prompt's log probabilities
 * without its prefix cache (router v3.3, `server.rs`). Whether the server puts BOS before a prompt that has one already:
 * - vLLM does unless `add_special_tokens` is false (`CompletionRequest`).
 * - SGLang hands the prompt to its tokenizer as a text, and the route has no field against it (`serving_completions.py`).
 * - llama.cpp calls `tokenize_input_prompts` with `add_special` true whatever the request says (`server-context.cpp`,
 *   checked in its source), and so adds the BOS that the GGUF asks for; a prompt with one of its own gets two, and the
 *   server logs a warning. Its chat route strips the template's for that reason.
 * - Of a gateway nothing is known; most have one of these behind them, at its default.
 */
import type { Generation } from "../../../shared/task/task.ts";
import { classifyInside200 } from "../classify-response.ts";
import type { ResponseContext, ServerResponse, WireService } from "../classify-response.ts";
import type { RecognisedServer } from "../recognise-server.ts";
import { invalidAnswer, parsedAnswer } from "./answer-parts.ts";
import { generationOf } from "./chat-answer.ts";
import type { ChatMessageFields } from "./chat-answer.ts";
import { samplingFields } from "./openai-fields.ts";
import { OpenAIStream } from "./openai-stream.ts";
import { structuredFields } from "./structured-fields.ts";
import { bodyHead } from "./wire.ts";
import type { BodyFields, PromptWire } from "./wire.ts";

const SERVICE: WireService = {
  name: "OpenAI completions",
  mend: "See that base_url ends before or at /v1, and that the server serves /v1/completions, not /v1/chat/completions alone.",
};
/**
 * Servers that take as many stop sequences as they are given. OpenAI's own API takes four, and so does vLLM unless
 * `VLLM_MAX_STOP_STRINGS` says otherwise (0.32, test/fixtures/vllm/five-stops.json; releases before it took any number).
 */
const TAKES_ANY_STOPS = new Set(["sglang", "llamacpp"]);
const OPENAI_STOPS = 4;

/** The completions route of a server that is not TGI. */
export function openAICompletions(server: RecognisedServer, path: string): PromptWire {
  const isVllm = server.server === "vllm";
  const { requestModel } = server;
  return {
    service: SERVICE,
    addsSpecialTokens: !isVllm,
    maxStopSequences: TAKES_ANY_STOPS.has(server.server) ? Number.POSITIVE_INFINITY : OPENAI_STOPS,
    path: () => path,
    head: ({ generationKwargs, structuredOutput, stream }) =>
      bodyHead({
        ...samplingFields(generationKwargs, { isTgi: false }),
        ...(structuredOutput === null ? {} : structuredFields(structuredOutput, server, "completions")),
        ...(isVllm ? { add_special_tokens: false } : {}),
        ...(requestModel === null ? {} : { model: requestModel }),
        ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
      }),
    body: (head, input, seed) => `${head}"prompt":${JSON.stringify(input)},"seed":${seed}}`,
    read: readCompletion,
    openStream: (context, onText) => new CompletionStream(context, onText),
    advice: (kwargs) => adviceFor(server.server, kwargs),
  };
}

interface CompletionChoice {
  readonly text?: unknown;
  readonly finish_reason?: unknown;
}

interface Completion {
  readonly choices?: readonly CompletionChoice[];
  readonly usage?: unknown;
  readonly model?: unknown;
}

/** Reads an answer with status 200. Throws `RESPONSE_INVALID`, or what an `error` inside it stands for. */
function readCompletion(response: ServerResponse, context: ResponseContext): Generation {
  const { text: raw } = response;
  const answer = parsedAnswer(response, context) as Completion | null;
  const choice = answer?.choices?.[0];
  if (typeof choice?.text !== "string") {
    throw classifyInside200(answer, raw, context) ?? invalidAnswer("an answer without a text", raw, { context });
  }
  const message = { content: choice.text };
  return generationOf(
    { message, finish: choice.finish_reason, usage: answer?.usage, model: answer?.model, raw },
    context,
  );
}

class CompletionStream extends OpenAIStream<CompletionChoice> {
  protected override message(): ChatMessageFields {
    return { content: this.text };
  }

  protected override takeChoice({ text }: CompletionChoice): void {
    if (typeof text === "string") this.add(text);
  }
}

function adviceFor(server: string, kwargs: BodyFields): string[] {
  if (kwargs["max_new_tokens"] !== undefined || kwargs["max_tokens"] !== undefined) return [];
  return server === "llamacpp"
    ? ["max_new_tokens is not set: llama.cpp's server generates until the model stops or the context is full."]
    : ["max_new_tokens is not set: vLLM, SGLang and OpenAI's API cut completions after 16 tokens."];
}
