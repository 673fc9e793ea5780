/** Reads answers of TGI's native routes (router v3.3, `GenerateResponse`). */
import type { FinishReason, Generation } from "../../../shared/task/task.ts";
import { classifyInside200 } from "../classify-response.ts";
import type { ResponseContext } from "../classify-response.ts";
import { finishReasonOf, invalidAnswer, parsedAnswer } from "./answer-parts.ts";
import { asksForDetails } from "./tgi-parameters.ts";
import type { CallShape, WholeAnswer } from "./wire.ts";

/** Of a plain answer, or of a stream's last event, which alone has the length of its input. */
export interface GenerateDetails {
  readonly finish_reason?: unknown;
  readonly generated_tokens?: unknown;
  readonly input_length?: unknown;
}

interface GenerateAnswer {
  readonly generated_text?: unknown;
  readonly details?: GenerateDetails | null;
}

/**
 * Reads an answer with status 200. Without details its counts are those of the headers, and null where a proxy dropped
 * them. Throws `RESPONSE_INVALID`, or what an `error` inside it stands for.
 */
export function readGenerateAnswer(response: WholeAnswer, context: ResponseContext, shape: CallShape): Generation {
  const payload = parsedAnswer(response, context);
  const answer = (Array.isArray(payload) ? (payload[0] as unknown) : payload) as GenerateAnswer | null | undefined;
  if (typeof answer?.generated_text !== "string") {
    const { text } = response;
    throw classifyInside200(answer, text, context) ?? invalidAnswer("no generated_text", text, { context });
  }
  const { details } = answer;
  const outputTokens = wholeOrNull(details?.generated_tokens) ?? headerCount(response.header("x-generated-tokens"));
  return {
    text: answer.generated_text,
    reasoning: null,
    finishReason: finishReasonOf(details?.finish_reason) ?? finishByCount(outputTokens, shape),
    inputTokens: headerCount(response.header("x-prompt-tokens")),
    outputTokens,
    model: context.model ?? "unknown",
  };
}

export function wholeOrNull(count: unknown): number | null {
  return typeof count === "number" ? count : null;
}

/** TGI looks at the limit before it looks for an end: whatever has as many tokens as it was allowed was cut. */
function finishByCount(outputTokens: number | null, { generationKwargs }: CallShape): FinishReason | null {
  if (outputTokens === null || asksForDetails(generationKwargs)) return null;
  return outputTokens >= Number(generationKwargs["max_new_tokens"]) ? "length" : "stop";
}

function headerCount(value: string | null): number | null {
  return value !== null && /^\d+$/.test(value) ? Number(value) : null;
}
