/** Writing to the wire: right answers, errors and each way of going wrong, with TGI's headers. */

import type { ServerResponse } from "node:http";
import type { Answer } from "./answer.ts";
import {
  answerEvents,
  answerJson,
  errorEvents,
  errorJson,
  GENERATION_FAILED,
  INCOMPLETE,
  invalid,
  OVERLOADED,
} from "./bodies.ts";
import type { ErrorBody } from "./bodies.ts";
import type { FaultKind } from "./faults.ts";
import type { GenerationCall } from "./generation-call.ts";
import { imageFor } from "./image.ts";

/** What one reply is made from. */
export interface ReplyParts {
  readonly response: ServerResponse;
  readonly call: GenerationCall;
  readonly answer: Answer;
  readonly modelJson: string;
  /** Least bytes of an image. */
  readonly imageBytes: number;
  readonly elapsedMs: number;
  /** Of `elapsedMs`, before it was let into a batch; 0 where there is none. */
  readonly queuedMs: number;
}

const JSON_TYPE = "application/json";
const HTML = "<!DOCTYPE html>\n<html><head><title>Please wait</title></head><body><h1>Please wait</h1></body></html>\n";

export function sendAnswer(parts: ReplyParts): void {
  const { response } = parts;
  const body = bodyOf(parts);
  response.writeHead(200, answerHeaders(parts, Buffer.byteLength(body)));
  response.end(body);
}

function bodyOf({ call, answer, modelJson, imageBytes }: ReplyParts): string | Buffer {
  if (call.image === null) return answerJson(call, answer, modelJson);
  const image = imageFor(call.prompt, call.seed, imageBytes);
  if (call.image === "bytes") return image;
  const base64 = image.toString("base64");
  return call.image === "text" ? `"${base64}"` : `{"created":0,"data":[{"b64_json":"${base64}"}]}`;
}

/** The events of the answer, after the head of the stream was written. */
export function openStream({
  response,
  call,
  answer,
  modelJson,
}: Omit<ReplyParts, "elapsedMs" | "queuedMs" | "imageBytes">): string[] {
  writeStreamHead(response, call);
  return answerEvents(call, answer, modelJson);
}

/** An error as TGI gives it: a status for a plain request, an event inside a 200 for a stream. Returns the status sent. */
export function sendError(response: ServerResponse, call: GenerationCall, error: ErrorBody): number {
  if (!call.stream) return sendBody(response, error.status, errorJson(error));
  writeStreamHead(response, call);
  response.end(errorEvents(call, error));
  return 200;
}

export function sendBody(response: ServerResponse, status: number, body: string, type = JSON_TYPE): number {
  const length = Buffer.byteLength(body);
  response.writeHead(
    status,
    length === 0 ? ["content-length", "0"] : ["content-type", type, "content-length", `${length}`],
  );
  response.end(body);
  return status;
}

/** The kinds whose answer is not the right one. */
export type WrongAnswer = Exclude<FaultKind, "slow-first-byte" | "latency-spike" | "odd-chunks">;

export function isWrong(kind: FaultKind): kind is WrongAnswer {
  return kind !== "slow-first-byte" && kind !== "latency-spike" && kind !== "odd-chunks";
}

/** Goes wrong as `kind` says (faults.ts). Returns the status sent, 0 for none. `hang` leaves the response open. */
export function sendFault(parts: ReplyParts, kind: WrongAnswer, retryAfterSeconds: number): number {
  const { response, call } = parts;
  switch (kind) {
    case "429":
      return sendError(response, call, OVERLOADED);
    case "422":
      return sendError(response, call, invalid("simulated rejection"));
    case "429-retry-after":
      response.setHeader("retry-after", retryAfterSeconds);
      return sendBody(response, 429, errorJson(OVERLOADED));
    case "503":
      return sendBody(response, 503, "Service Unavailable", "text/plain");
    case "503-retry-after":
      response.setHeader("retry-after", retryAfterSeconds);
      return sendBody(response, 503, "Service Unavailable", "text/plain");
    case "batch-failure":
      return call.stream ? breakStream(parts, "error-in-200") : sendError(response, call, GENERATION_FAILED);
    case "500":
      return sendBody(response, 500, errorJson(INCOMPLETE));
    case "html-200":
      return sendBody(response, 200, HTML, "text/html; charset=utf-8");
    case "reset":
      response.socket?.resetAndDestroy();
      return 0;
    case "hang":
      if (!call.stream) return 0;
      response.write(openStream(parts)[0]);
      return 200;
    case "truncated-body":
    case "truncated-stream":
    case "error-in-200":
    case "garbage-json":
      return call.stream ? breakStream(parts, kind) : breakBody(parts, kind);
  }
}

type HalfwayFault = "truncated-body" | "truncated-stream" | "error-in-200" | "garbage-json";

function breakBody(parts: ReplyParts, kind: HalfwayFault): number {
  const { response } = parts;
  if (kind === "error-in-200") return sendBody(response, 200, errorJson(GENERATION_FAILED));
  const body = bodyOf(parts);
  const half = body.slice(0, body.length >>> 1);
  if (kind === "garbage-json") return sendBody(response, 200, half.toString());
  response.writeHead(200, answerHeaders(parts, Buffer.byteLength(body)));
  response.write(half, () => response.socket?.destroy());
  return 200;
}

function breakStream(parts: ReplyParts, kind: HalfwayFault): number {
  const { response, call } = parts;
  const events = openStream(parts);
  const half = events.slice(0, events.length >>> 1).join("");
  if (kind === "truncated-body") response.write(half, () => response.socket?.destroy());
  else if (kind === "truncated-stream") response.end(half);
  else if (kind === "error-in-200") response.end(half + errorEvents(call, GENERATION_FAILED));
  else response.end(`${events[0]!.slice(0, events[0]!.length >>> 1)}\n\n`);
  return 200;
}

/** The head of a stream of events. */
export function writeStreamHead(response: ServerResponse, call: GenerationCall): void {
  response.writeHead(200, [
    "x-compute-type",
    "gpu+optimized",
    "x-compute-characters",
    `${characters(call.prompt)}`,
    "x-accel-buffering",
    "no",
    "content-type",
    "text/event-stream",
    "cache-control",
    "no-cache",
  ]);
}

// Validation takes no time here.
function answerHeaders({ call, answer, elapsedMs, queuedMs }: ReplyParts, length: number): string[] {
  const inferenceMs = elapsedMs - queuedMs;
  return [
    "content-type",
    call.image === "bytes" ? "image/png" : JSON_TYPE,
    "x-compute-type",
    "gpu+optimized",
    "x-compute-time",
    `${Math.round(elapsedMs * 1000) / 1e6}`,
    "x-compute-characters",
    `${characters(call.prompt)}`,
    "x-total-time",
    `${Math.floor(elapsedMs)}`,
    "x-validation-time",
    "0",
    "x-queue-time",
    `${Math.floor(queuedMs)}`,
    "x-inference-time",
    `${Math.floor(inferenceMs)}`,
    "x-time-per-token",
    `${Math.floor(inferenceMs / answer.tokens)}`,
    "x-prompt-tokens",
    `${call.promptTokens}`,
    "x-generated-tokens",
    `${answer.tokens}`,
    "content-length",
    `${length}`,
  ];
}

/** Unicode characters, as TGI counts them: a surrogate pair is one. */
function characters(text: string): number {
  let count = text.length;
  for (let index = 0; index < text.length; index++) {
    if ((text.charCodeAt(index) & 0xfc00) === 0xdc00) count--;
  }
  return count;
}
