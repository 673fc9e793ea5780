/** One connection for each request that may be in flight: no pool that queues, no limit that nobody asked for. */
import { Client } from "undici";
import type { Dispatcher } from "undici";
import { openDispatcher, proxyFor } from "../../worker/llms/http-client.ts";

export interface ConnectionOptions {
  readonly origin: string;
  /** How long a connection may take to come about. */
  readonly connectTimeoutMs: number;
}

/** uvicorn (vLLM, SGLang) closes idle connections after 5 s without saying so before; one that it just closed loses a request. */
const KEEP_ALIVE_MS = 4_000;

/** Opened by the first request, and again where it was closed. */
export class Connection {
  readonly #options: ConnectionOptions;
  #client: Dispatcher | null = null;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  send(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    const { origin } = this.#options;
    this.#client ??= openClient(this.#options);
    this.#client.dispatch({ origin, ...options }, handler);
  }

  /** Closes it with whatever is on it. */
  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.destroy();
  }
}

function openClient({ origin, connectTimeoutMs }: ConnectionOptions): Dispatcher {
  // Through a proxy wherever a job would go through it.
  if (proxyFor(new URL(origin), process.env) !== null) return openDispatcher(origin, process.env, { connections: 1 });
  return new Client(origin, {
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // No deadlines of undici's own: an answer may rightly take longer than its five minutes.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: connectTimeoutMs },
  });
}
