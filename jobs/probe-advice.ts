/** What a probe's facts mean for a spec, as sentences; pure. */
import { chatAdvice } from "../worker/llms/recognise-server.ts";
import type { RecognisedServer } from "../worker/llms/recognise-server.ts";

export interface Asked {
  readonly modelId: string | undefined;
  readonly generationKwargs: Readonly<Record<string, unknown>>;
}

/** What a server that names no limit is started with; the spec's default. */
const USUAL_SLOTS = 64;

export function probeAdvice(server: RecognisedServer, asked: Asked): readonly string[] {
  const sentences = [
    ...(server.advice ?? []),
    ...chatAdvice(server, asked.generationKwargs),
    slotsAdvice(server),
    lengthAdvice(server, asked),
    modelAdvice(server, asked),
    revisionAdvice(server),
    formAdvice(server),
  ];
  return sentences.filter((sentence) => sentence !== null);
}

function slotsAdvice({ server, limits }: RecognisedServer): string {
  const most = limits.maxConcurrentRequests;
  if ((server === "tgi" || server === "tei") && most !== null) {
    return `Start with \`slots: ${most}\`, for all of its clients together: it refuses more than ${most} requests at a time.`;
  }
  if (most !== null) {
    return `Start with \`slots: ${most}\`: it works on ${most} requests at a time and lets more of them wait.`;
  }
  if (server === "vllm" || server === "sglang") {
    return `Start with \`slots: ${USUAL_SLOTS}\`, the default, and double it while rows per second still grow: it takes any number and lets them wait.`;
  }
  return `Start with \`slots: ${USUAL_SLOTS}\`, the default: it names no limit; where it answers 429, fewer are used.`;
}

function lengthAdvice({ server, limits }: RecognisedServer, { generationKwargs }: Asked): string | null {
  if (server === "tei" || generationKwargs["max_new_tokens"] !== undefined) return null;
  const most = limits.maxTotalTokens;
  if (most === null || server === "openai") {
    return "Set `generation_kwargs.max_new_tokens`: without it the length of answers is the server's choice.";
  }
  return `Set \`generation_kwargs.max_new_tokens\`: without it one answer may take all that its prompt leaves of ${most} tokens.`;
}

function modelAdvice({ server }: RecognisedServer, { modelId }: Asked): string | null {
  const saysNone = server === "unknown" || server === "container";
  return saysNone && modelId === undefined
    ? "Set `model_id`: it does not say which model it serves, and the job's rows are to name one."
    : null;
}

function revisionAdvice({ server, revision }: RecognisedServer): string | null {
  return server === "tgi" && revision === null
    ? "It names no revision: a job cannot notice when the model's weights change under the same name."
    : null;
}

function formAdvice({ server, version }: RecognisedServer): string | null {
  if (server === "llamacpp") {
    return "Its grammar leaves out `minimum` and `maximum` of a `number`: answers beyond them are asked for again. Take an `integer`, or say the range in the prompt.";
  }
  return server === "vllm" && version === null
    ? "It does not tell its version: structured output is asked for in the words of vLLM before 0.12 and of later ones at once."
    : null;
}
