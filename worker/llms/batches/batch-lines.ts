/**
 * The lines of OpenAI's batch files: requests as they are uploaded, results as they are downloaded.
 *
 *   {"custom_id","method":"POST","url":"/v1/chat/completions","body":{…}}
 *   {"id","custom_id","response":{"status_code","request_id","body":{…}} | null,"error":{"code","message"} | null}
 *
 * Sources: OpenAI's API reference (`BatchRequestInput`, `BatchRequestOutput`), and `resources/batches.d.ts` of the npm package
 * openai 6.49.0 for the limits.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { TidingError } from "../../../shared/errors.ts";
import { classifyResponse } from "../classify-response.ts";
import type { ResponseContext } from "../classify-response.ts";
import type { HttpAnswer } from "../http-client.ts";

/** Of one batch. */
export const MAX_REQUESTS = 50_000;
/** Of one batch's file. */
export const MAX_FILE_BYTES = 200_000_000;

/** One request as a batch holds it. */
export interface BatchRequest {
  /** Names the request by its content, so that the same one is never paid for twice. */
  readonly customId: string;
  /** OpenAI's name of the route, whatever stands before it in the base URL. */
  readonly url: string;
  /** The body as JSON text. */
  readonly body: string;
}

const ROUTE = /\/((?:chat\/)?completions)(?:\?|$)/;

/** The request that a wire would post to `path`. Throws `SPEC_INVALID` for a route that no batch takes. */
export function batchRequest(path: string, body: string): BatchRequest {
  const route = ROUTE.exec(path)?.[1];
  if (route === undefined) {
    throw new TidingError(
      "SPEC_INVALID",
      "Batches take OpenAI's chat and completions alone, and this call takes neither.",
      {
        place: "use_offline_batch_generation",
        mend: "Leave it out for this server, or take out `tokenizer_id`, so that calls go over the server's chat route.",
      },
    );
  }
  const url = `/v1/${route}`;
  return { customId: createHash("sha256").update(`${url}\n${body}`).digest("hex").slice(0, 32), url, body };
}

/** With its line end. */
export function requestLine({ customId, url, body }: BatchRequest): string {
  return `{"custom_id":"${customId}","method":"POST","url":"${url}","body":${body}}\n`;
}

const ResultLine = z.object({
  custom_id: z.string(),
  response: z.object({ status_code: z.int(), body: z.unknown() }).nullish(),
  error: z.object({ code: z.string().nullish(), message: z.string().nullish() }).nullish(),
});

export interface BatchResult {
  readonly customId: string;
  /** As the server would have answered the request itself; null for one that it never ran. */
  readonly answer: HttpAnswer | null;
}

/** What the server had no time for, or was told to leave: not an answer, whatever the words. */
const NEVER_RUN = new Set(["batch_expired", "batch_cancelled"]);

/** Reads one line of an output or error file; null for what is no such line. */
export function readResultLine(text: string): BatchResult | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The caller says where.
    return null;
  }
  const { success, data } = ResultLine.safeParse(value);
  if (!success) return null;
  const { custom_id: customId, response, error } = data;
  if (response !== null && response !== undefined)
    return { customId, answer: answerOf(response.status_code, response.body) };
  if (error === null || error === undefined || NEVER_RUN.has(error.code ?? "")) return { customId, answer: null };
  return { customId, answer: answerOf(500, { error }) };
}

function answerOf(status: number, body: unknown): HttpAnswer {
  const text = typeof body === "string" ? body : JSON.stringify(body ?? null);
  const headers: Readonly<Record<string, string>> = { "content-type": "application/json" };
  return { status, headers, header: (name) => headers[name] ?? null, text, isStreamed: false };
}

/**
 * What becomes of a request by its result: it is settled for good, or it is asked again; `attempt` says that this counts as
 * one of its attempts. An error is one that concerns the whole job.
 */
export type Verdict =
  | { readonly kind: "settled" }
  | { readonly kind: "again"; readonly attempt: boolean; readonly error: TidingError | null };

/** @param answer null for a request that the server never ran */
export function verdictOf(answer: HttpAnswer | null, context: ResponseContext): Verdict {
  if (answer === null) return { kind: "again", attempt: false, error: null };
  if (answer.status === 200) return { kind: "settled" };
  const error = classifyResponse(answer, context);
  if (error.class === "row") return { kind: "settled" };
  if (error.class === "job") return { kind: "again", attempt: false, error };
  return { kind: "again", attempt: true, error: null };
}
