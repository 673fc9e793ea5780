/**
 * One endpoint's connections, and requests over them at the cost of undici's `dispatch`.
 *
 * `dispatch` hands over the bytes as they arrive, without the Readable and AbortSignal of `request` (a third to a half of its
 * CPU), and its `abort` ends a request at any moment. Deadlines are kept by one sweep over all requests in flight:
 * they fire up to a tick late, and cost nothing per call.
 */
import { EnvHttpProxyAgent, Pool, util } from "undici";
import type { Dispatcher } from "undici";
import { TidingError } from "../../shared/errors.ts";
import { Roster, type Place } from "../roster.ts";
import { onAbort } from "./abort-listeners.ts";
import type { Abortable } from "./abort-listeners.ts";
import { classifyConnection } from "./classify-connection.ts";

/** HTTP_PROXY, HTTPS_PROXY and NO_PROXY as the environment has them, in capitals or not. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>;

/** Takes the bytes of a stream of server-sent events. */
export interface StreamReader {
  /** True when the answer is complete and the rest of the stream no longer matters. */
  push(bytes: Uint8Array): boolean;
  truncated(cause?: unknown): TidingError;
}

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Is fed when the answer is a stream of events; any other answer comes back as text. */
  readonly reader: StreamReader | null;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** One header by its name in lower case, for a tenth of what `headers` costs; null where it was not sent. */
  header(name: string): string | null;
  readonly text: string;
  /** The reader took the body, and `text` is empty. */
  readonly isStreamed: boolean;
}

/** An answer as it came over the network. */
export interface ReceivedAnswer extends HttpAnswer {
  /** The body, whatever it holds. */
  readonly bytes: Uint8Array;
}

export interface HttpClientOptions {
  readonly endpoint: string;
  readonly origin: string;
  readonly connections: number;
  /** Longest silence within a stream once it began. */
  readonly idleTimeoutMs: number;
  /** The shortest deadline that any request will have; with the idle timeout it sets the tick of the sweep. */
  readonly shortestTimeoutMs: number;
  readonly environment: ProxyEnvironment;
}

const KEEP_ALIVE_MS = 60_000;
const NOTHING = Buffer.alloc(0);

export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #dispatcher: Dispatcher;
  readonly #inFlight = new Roster<Exchange>();
  #sweep: NodeJS.Timeout | null = null;
  #closed: Promise<void> | null = null;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    const { origin, environment, connections } = options;
    this.#dispatcher = openDispatcher(origin, environment, { connections });
  }

  /**
   * Sends one request. Rejects with `REQUEST_TIMEOUT`, `STREAM_TRUNCATED`, an error of `classifyConnection`, or the
   * signal's reason; whichever it is, the request is over and its connection closed or free.
   */
  send(request: HttpRequest): Promise<ReceivedAnswer> {
    if (request.signal.aborted) return Promise.reject(request.signal.reason as Error);
    return new Promise((resolve, reject) => {
      const { method, path, headers, body } = request;
      const { origin, endpoint } = this.#options;
      const exchange = new Exchange({ request, endpoint, inFlight: this.#inFlight, resolve, reject });
      this.#sweep ??= this.#startSweep();
      this.#dispatcher.dispatch({ origin, method, path, headers, body }, exchange);
    });
  }

  /** Ends all requests. */
  close(): Promise<void> {
    if (this.#sweep !== null) clearInterval(this.#sweep);
    this.#closed ??= this.#dispatcher.destroy();
    return this.#closed;
  }

  #startSweep(): NodeJS.Timeout {
    const { idleTimeoutMs, shortestTimeoutMs } = this.#options;
    const tickMs = Math.min(1_000, Math.max(5, Math.min(idleTimeoutMs, shortestTimeoutMs) / 8));
    const sweep = setInterval(() => {
      const nowMs = performance.now();
      for (const exchange of this.#inFlight.members()) exchange.checkDeadlines(nowMs, idleTimeoutMs);
    }, tickMs);
    return sweep.unref();
  }
}

interface ExchangeOptions {
  readonly request: HttpRequest;
  readonly endpoint: string;
  readonly inFlight: Roster<Exchange>;
  readonly resolve: (answer: ReceivedAnswer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One request and its answer. It is settled once, and stays in flight until the connection is done with it:
 * the end of a stream may come long after its last event that counts.
 *
 * The methods are those of undici's older kind of handler, which its core still speaks: for the newer kind it parses the
 * headers of every answer, a tenth of all that a row costs, and nobody looks at them unless something went wrong.
 */
class Exchange implements Dispatcher.DispatchHandler, Abortable {
  readonly #options: ExchangeOptions;
  readonly #place: Place<Exchange>;
  readonly #listening: Place<Abortable>;
  readonly #startedAtMs = performance.now();
  #lastByteAtMs = 0;
  #abortRequest: ((error?: Error) => void) | null = null;
  #isSettled = false;
  #isEnded = false;
  #status = 0;
  #rawHeaders: Buffer[] = [];
  #reader: StreamReader | null = null;
  #first: Buffer | null = null;
  #rest: Buffer[] | null = null;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#place = options.inFlight.add(this);
    this.#listening = onAbort(options.request.signal, this);
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#abortRequest = abort;
    if (this.#isEnded) abort(new Error("no longer wanted"));
  }

  onHeaders(status: number, rawHeaders: Buffer[]): boolean {
    if (status < 200) return true;
    this.#status = status;
    this.#rawHeaders = rawHeaders;
    const { reader } = this.#options.request;
    if (status !== 200 || reader === null) return true;
    const isEvents = String(util.parseHeaders(rawHeaders)["content-type"]).includes("event-stream");
    if (isEvents) this.#reader = reader;
    return true;
  }

  onData(bytes: Buffer): boolean {
    if (this.#reader !== null) {
      this.#lastByteAtMs = performance.now();
      if (!this.#isSettled && this.#reader.push(bytes)) this.#resolve(null);
    } else if (this.#first === null) this.#first = bytes;
    else (this.#rest ??= [this.#first]).push(bytes);
    return true;
  }

  onComplete(): void {
    this.#end();
    if (this.#isSettled) return;
    this.#resolve(this.#rest === null ? this.#first : Buffer.concat(this.#rest));
  }

  onError(error: Error): void {
    this.#end();
    if (this.#isSettled) return;
    this.#reject(
      this.#lastByteAtMs > 0 && this.#reader !== null
        ? this.#reader.truncated(error)
        : classifyConnection(error, this.#options.endpoint),
    );
  }

  abort(reason: unknown): void {
    this.#end();
    if (!this.#isSettled) this.#reject(reason as Error);
    this.#abortRequest?.(reason instanceof Error ? reason : new Error("no longer wanted"));
  }

  checkDeadlines(nowMs: number, idleTimeoutMs: number): void {
    const { endpoint, request } = this.#options;
    const isLate = nowMs - this.#startedAtMs > request.timeoutMs;
    const isSilent = this.#lastByteAtMs > 0 && nowMs - this.#lastByteAtMs > idleTimeoutMs;
    if (!isLate && !isSilent) return;
    const what = isLate
      ? `${endpoint} did not finish within ${request.timeoutMs / 1_000} s`
      : `${endpoint} went silent within an answer for ${idleTimeoutMs / 1_000} s`;
    this.abort(
      new TidingError("REQUEST_TIMEOUT", `${what}.`, {
        place: endpoint,
        mend: `Raise ${isLate ? "request_timeout" : "idle_timeout"} if answers may take longer.`,
      }),
    );
  }

  #resolve(bytes: Buffer | null): void {
    this.#isSettled = true;
    this.#options.resolve(new BufferedAnswer(this.#status, bytes, this.#reader !== null, this.#rawHeaders));
  }

  #reject(error: Error): void {
    this.#isSettled = true;
    this.#options.reject(error);
  }

  #end(): void {
    this.#isEnded = true;
    this.#place.leave();
    this.#listening.leave();
  }
}

class BufferedAnswer implements ReceivedAnswer {
  readonly status: number;
  readonly isStreamed: boolean;
  readonly #body: Buffer | null;
  readonly #rawHeaders: Buffer[];
  #text: string | null = null;

  constructor(status: number, body: Buffer | null, isStreamed: boolean, rawHeaders: Buffer[]) {
    this.status = status;
    this.isStreamed = isStreamed;
    this.#body = body;
    this.#rawHeaders = rawHeaders;
  }

  get text(): string {
    return (this.#text ??= this.bytes.toString());
  }

  get bytes(): Buffer {
    return this.#body ?? NOTHING;
  }

  get headers(): HttpAnswer["headers"] {
    return util.parseHeaders(this.#rawHeaders);
  }

  header(name: string): string | null {
    const raw = this.#rawHeaders;
    for (let index = 0; index + 1 < raw.length; index += 2) {
      if (raw[index]?.length !== name.length) continue;
      if (raw[index]?.toString("latin1").toLowerCase() === name) return raw[index + 1]?.toString("latin1") ?? null;
    }
    return null;
  }
}

/** Connections to one origin, through its proxy where there is one. */
export function openDispatcher(
  origin: string,
  environment: ProxyEnvironment,
  { connections }: { readonly connections: number },
): Dispatcher {
  // No deadlines of undici's own: an answer may rightly take longer than its five minutes.
  const settings = { connections, pipelining: 1, keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: 0, bodyTimeout: 0 };
  const proxy = proxyFor(new URL(origin), environment);
  if (proxy === null) return new Pool(origin, settings);
  const noProxy = environment["NO_PROXY"] ?? environment["no_proxy"] ?? "";
  return new EnvHttpProxyAgent({ ...settings, httpProxy: proxy, httpsProxy: proxy, noProxy });
}

/** The proxy for a URL's scheme, or null. As in Go, the machine's own addresses are never asked of a proxy. */
export function proxyFor(url: URL, environment: ProxyEnvironment): string | null {
  const isLoopback = url.hostname === "localhost" || url.hostname === "[::1]" || url.hostname.startsWith("127.");
  if (isLoopback) return null;
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  return (environment[name] ?? environment[name.toLowerCase()]) || null;
}
