/**
 * Reads what servers answer with an embedding.
 *
 * Forms: a list of one vector (TEI); `data[0].embedding` (OpenAI and who follows it); `embeddings`, a vector or a list of
 * one (huggingface-inference-toolkit). A vector for each token is no embedding of the text, and is refused.
 */
import { classifyInside200 } from "../classify-response.ts";
import type { ResponseContext, ServerResponse } from "../classify-response.ts";
import { isRecord, numberOf } from "../recognise-server.ts";
import { invalidAnswer, parsedAnswer } from "../wires/answer-parts.ts";

export interface EmbeddingAnswer {
  /** Finite numbers, one at least. */
  readonly embedding: readonly number[];
  readonly inputTokens: number | null;
}

/** Reads an answer with status 200. Throws `RESPONSE_INVALID`, or what an error inside it stands for. */
export function readEmbeddingAnswer(response: ServerResponse, context: ResponseContext): EmbeddingAnswer {
  const payload = parsedAnswer(response, context);
  const error = classifyInside200(payload, response.text, context);
  if (error !== null) throw error;
  const embedding = vectorIn(payload);
  if (embedding === null) {
    throw invalidAnswer("an answer without one vector of numbers", response.text, { context });
  }
  return { embedding, inputTokens: tokensOf(payload) ?? tokensIn(response.headers) };
}

function vectorIn(payload: unknown): readonly number[] | null {
  const [first, ...others] = listIn(payload);
  if (typeof first === "number") return asVector([first, ...others]);
  const vector = isRecord(first) ? first["embedding"] : first;
  return others.length === 0 && Array.isArray(vector) ? asVector(vector) : null;
}

function listIn(payload: unknown): readonly unknown[] {
  const list = isRecord(payload) ? (payload["data"] ?? payload["embeddings"]) : payload;
  return Array.isArray(list) ? list : [];
}

function asVector(list: readonly unknown[]): readonly number[] | null {
  return list.length > 0 && list.every((each) => typeof each === "number") ? list : null;
}

function tokensOf(payload: unknown): number | null {
  const usage = isRecord(payload) ? payload["usage"] : null;
  return isRecord(usage) ? numberOf(usage["prompt_tokens"]) : null;
}

/** TEI counts in a header. */
function tokensIn(headers: ServerResponse["headers"]): number | null {
  const count = Number.parseInt(String(headers["x-compute-tokens"]), 10);
  return Number.isSafeInteger(count) ? count : null;
}
