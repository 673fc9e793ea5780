/** Reading a request's body with the limits and the refusals of axum 0.7 (plain text, before TGI sees the request). */

import type { IncomingMessage } from "node:http";
import { clockMs } from "../fine-timer.ts";

/** TGI's limit, `server.rs`. */
export const MAX_BODY_BYTES = 2_000_000;

export interface BodyRefusal {
  readonly status: number;
  readonly text: string;
}

export const WRONG_TYPE: BodyRefusal = { status: 415, text: "Expected request with `Content-Type: application/json`" };
const TOO_LARGE: BodyRefusal = { status: 413, text: "Failed to buffer the request body: length limit exceeded" };

/** True for `application/json` and `application/…+json`. */
export function isJson(contentType: string | undefined): boolean {
  if (contentType === "application/json") return true;
  return contentType !== undefined && /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType);
}

export interface ReadBody {
  readonly bytes: Buffer;
  /** When the last of them came, by `clockMs`: what is done with them afterwards is none of the client's time. */
  readonly arrivedMs: number;
}

/**
 * Calls back once with the body, or with a refusal when it is larger than the limit; not at all when the client
 * leaves first. What is too large is read to its end and thrown away, so that the client can read the refusal.
 */
export function readBody(request: IncomingMessage, done: (body: ReadBody, refusal: BodyRefusal | null) => void): void {
  let body: Buffer | null = null;
  const more: Buffer[] = [];
  let bytes = 0;
  let arrivedMs = clockMs();
  request.on("data", (chunk: Buffer) => {
    arrivedMs = clockMs();
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) more.length = 0;
    else if (body === null) body = chunk;
    else more.push(chunk);
  });
  request.on("end", () => {
    const first = body ?? Buffer.alloc(0);
    const whole = more.length === 0 ? first : Buffer.concat([first, ...more]);
    done({ bytes: whole, arrivedMs }, bytes > MAX_BODY_BYTES ? TOO_LARGE : null);
  });
}
