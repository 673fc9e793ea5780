import { endpointAddress } from "../../worker/llms/endpoint-address.ts";
import type { ServerKind } from "../../worker/llms/recognise-server.ts";

/** The endpoint under load, and how it is asked: plain data, which is cloned to threads. */
export interface LoadTarget {
  /** Base URL, with or without `/v1` or one of the routes. */
  readonly url: string;
  /** `/generate_stream`, `/v1/chat/completions`, `/v1/completions`. */
  readonly route: "tgi" | "chat" | "completions";
  /** The `model` of requests; empty leaves it out. Not sent to TGI's own route. */
  readonly model: string;
  /** Of every request, with the key. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Generate on to the most tokens. TGI has no such field, and is not sent it. */
  readonly ignoreEos: boolean;
  /** Sampling by the names of a job's `generation_kwargs`; null takes a field out, `max_tokens` among them. */
  readonly generation: Readonly<Record<string, unknown>>;
  /** From handing a request to its connection to the end of its answer; then it is an error. */
  readonly requestTimeoutMs: number;
  /** What the server is, where somebody asked: decides which fields beyond OpenAI's it is sent. `unknown` when absent. */
  readonly server?: ServerKind;
}

/** Where requests go, read from the target. Throws `SPEC_INVALID` for a URL that is not HTTP. */
export function requestHeadersOf({ url, headers }: LoadTarget): Readonly<Record<string, string>> {
  const { credentials } = endpointAddress(url);
  const login = credentials === null ? {} : { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
  return { accept: "text/event-stream", "content-type": "application/json", ...login, ...headers };
}

/** What must not be quoted from a server's words. */
export function secretsOf({ headers }: LoadTarget): readonly string[] {
  const values = Object.entries(headers).filter(([name]) => /authorization|key|token|cookie/i.test(name));
  return values.flatMap(([, value]) => [value, value.replace(/^\w+ /, "")]).filter((value) => value.length > 3);
}
