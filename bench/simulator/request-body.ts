/** Reading a request's body with the limits and the refusals of axum 0.7 (plain text, before TGI sees the request). */

import type { IncomingMessage } from "node:http";

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

/**
 * Calls back once with the body's bytes, or with a refusal when it is larger than the limit; not at all when the client
 * leaves first. What is too large is read to its end and thrown away, so that the client can read the refusal.
 */
export function readBody(request: IncomingMessage, done: (body: Buffer, refusal: BodyRefusal | null) => void): void {
  let body: Buffer | null = null;
  const more: Buffer[] = [];
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) more.length = 0;
    else if (body === null) body = chunk;
    else more.push(chunk);
  });
  request.on("end", () => {
    const first = body ?? Buffer.alloc(0);
    done(more.length === 0 ? first : Buffer.concat([first, ...more]), bytes > MAX_BODY_BYTES ? TOO_LARGE : null);
  });
}
