/** A plain HTTP client for the simulator's tests. */

import { createParser } from "eventsource-parser";
import { request } from "undici";

export interface Reply {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

export async function post(
  url: string,
  body: unknown,
  options: { readonly headers?: Record<string, string>; readonly signal?: AbortSignal } = {},
): Promise<Reply> {
  const {
    statusCode,
    headers,
    body: answer,
  } = await request(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...options.headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
    signal: options.signal ?? null,
  });
  return { status: statusCode, headers, text: await answer.text() };
}

export async function get(url: string): Promise<Reply> {
  const { statusCode, headers, body } = await request(url);
  return { status: statusCode, headers, text: await body.text() };
}

/** Posts and resolves at the first byte of a stream that goes on; `leave` cuts the connection. */
export async function openStream(url: string, body: unknown): Promise<{ leave: () => void }> {
  const answer = await request(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  answer.body.on("error", () => {}); // The cut.
  await new Promise((resolve) => answer.body.once("data", resolve));
  return { leave: () => answer.body.destroy() };
}

/** The data of each event of a stream. */
export function eventsOf(text: string): string[] {
  const events: string[] = [];
  const parser = createParser({ onEvent: (event) => events.push(event.data) });
  parser.feed(text);
  return events;
}

export function chat(content: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { model: "tgi", messages: [{ role: "user", content }], ...more };
}
