/**
 * What a server tells of itself and of its work at one moment: who it is, and its counters at `/metrics`.
 *
 * Counters are those of the process that answers. Where several replicas stand behind one URL each snapshot may be of
 * another one, and all differences are wrong or go backwards: `compareSnapshots` notices what can be noticed.
 */
import { isTidingError, messageOf } from "../../shared/errors.ts";
import { endpointAddress, ownRoute } from "../../worker/llms/endpoint-address.ts";
import { HttpClient } from "../../worker/llms/http-client.ts";
import type { HttpAnswer } from "../../worker/llms/http-client.ts";
import { identifyServer } from "./server-identity.ts";
import type { ServerIdentity } from "./server-identity.ts";
import { readPrometheusText } from "./prometheus-text.ts";
import type { Samples } from "./prometheus-text.ts";

export interface SnapshotTarget {
  /** As a job's `base_url`: with or without `/v1` or a route. */
  readonly url: string;
  /** Of every request, keys among them. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface ServerSnapshot {
  /** On the clock of `process.hrtime`, in milliseconds. */
  readonly atMs: number;
  /** Null where the server could not be asked; `missing` says why. */
  readonly identity: ServerIdentity | null;
  /** Null where there are none; `missing` says why. */
  readonly samples: Samples | null;
  /** Sentences on what could not be had. */
  readonly missing: readonly string[];
}

/** No benchmark waits longer for an answer of a busy server. */
const TIMEOUT_MS = 15_000;
const NO_METRICS: Readonly<Record<number, string>> = {
  401: "it asks for another key",
  403: "it is closed to this key",
  404: "it has none",
  405: "it has none",
  501: "it was started without them (llama.cpp: --metrics)",
};

/**
 * Asks a server. What cannot be had is told in `missing`, because no benchmark fails for it. Rejects with the signal's reason,
 * and with `SPEC_INVALID` for a URL that is none.
 */
export async function snapshotServer(target: SnapshotTarget, signal?: AbortSignal): Promise<ServerSnapshot> {
  const address = endpointAddress(target.url);
  const wanted = signal ?? new AbortController().signal;
  const client = new HttpClient({
    endpoint: address.name,
    origin: address.origin,
    connections: 1,
    idleTimeoutMs: TIMEOUT_MS,
    shortestTimeoutMs: TIMEOUT_MS,
    environment: process.env,
  });
  const get = (path: string): Promise<HttpAnswer> =>
    client.send({
      method: "GET",
      path,
      headers: target.headers,
      body: null,
      signal: wanted,
      timeoutMs: TIMEOUT_MS,
      reader: null,
    });
  try {
    const metrics = await orMissing(() => askMetrics(get, ownRoute(address, "/metrics")), wanted);
    const atMs = Number(process.hrtime.bigint()) / 1e6;
    const identity = await orMissing(() => identifyServer(get, address), wanted);
    return { atMs, identity: identity.had, samples: metrics.had, missing: [...identity.missing, ...metrics.missing] };
  } finally {
    await client.close();
  }
}

interface Had<T> {
  readonly had: T | null;
  readonly missing: readonly string[];
}

async function orMissing<T>(ask: () => Promise<T | string>, signal: AbortSignal): Promise<Had<Exclude<T, string>>> {
  try {
    const had = await ask();
    return typeof had === "string" ? { had: null, missing: [had] } : { had: had as Exclude<T, string>, missing: [] };
  } catch (error) {
    signal.throwIfAborted();
    if (!isTidingError(error)) throw error;
    return { had: null, missing: [`The server could not be asked: ${messageOf(error)}`] };
  }
}

/** The samples, or why there are none. */
async function askMetrics(get: (path: string) => Promise<HttpAnswer>, path: string): Promise<Samples | string> {
  const { status, text, header } = await get(path).then((answer) => ({
    status: answer.status,
    text: answer.text,
    header: answer.header("content-type") ?? "",
  }));
  if (status !== 200) return `No metrics of the server: ${NO_METRICS[status] ?? `/metrics answers ${status}`}.`;
  if (header.includes("html")) return "No metrics of the server: /metrics is a web page.";
  return readPrometheusText(text);
}
