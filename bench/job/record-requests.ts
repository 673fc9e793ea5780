/**
 * Records what this process asks of endpoints, by undici's diagnostics channels: without a change to whoever asks.
 *
 * Recorded is every POST with a body, from the moment it is handed to undici until its answer has ended, failed or was
 * aborted. The empty object that asks a server what it is (`{}`) is none. What that costs the process is measured and told.
 */
import { hash } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { clockMs } from "../fine-timer.ts";
import { BodySpool } from "./body-spool.ts";
import { LineFile, lineOf } from "./request-trace.ts";
import { TokenScan } from "./token-scan.ts";

/** Where requests of one kind go. Its headers hold keys: never written or shown. */
export interface RequestShape {
  readonly origin: string;
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
}

export interface RecordOptions {
  /** File of the trace. */
  readonly trace: string;
  /** File of the bodies; absent where they are not wanted. */
  readonly bodies?: string;
  /** Every line is written as it comes, so that it outlives a kill. */
  readonly unbuffered?: boolean;
}

/** What undici's channels pass of a request (`lib/core/request.js`, 7.x; fetch's are the same). */
interface SeenRequest {
  readonly method: string;
  readonly origin: string | URL;
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: unknown;
}

interface InFlight {
  readonly number: number;
  readonly tokens: TokenScan;
  status: number;
}

const LEAST_BODY_BYTES = 3;
/** In a JSON text the quotes would be escaped. */
const SEED = /"seed":(\d+)/;
const KEY_DIGITS = 16;

export class RequestRecorder implements Disposable {
  readonly #trace: LineFile;
  readonly #bodies: BodySpool | null;
  readonly #inFlight = new Map<object, InFlight>();
  readonly #shapes = new Map<string, { readonly index: number; readonly shape: RequestShape }>();
  readonly #unsubscribe: (() => void)[] = [];
  #count = 0;
  #spentMs = 0;

  constructor({ trace, bodies, unbuffered = false }: RecordOptions) {
    this.#trace = new LineFile(trace, { unbuffered });
    this.#bodies = bodies === undefined ? null : new BodySpool(bodies);
    this.#on("undici:request:create", (message: { request: SeenRequest }) => this.#began(message.request));
    this.#on("undici:request:headers", (message: { request: object; response: { statusCode: number } }) => {
      const seen = this.#inFlight.get(message.request);
      if (seen !== undefined) seen.status = message.response.statusCode;
    });
    this.#on("undici:request:bodyChunkReceived", (message: { request: object; chunk: Uint8Array }) => {
      this.#inFlight.get(message.request)?.tokens.push(message.chunk);
    });
    this.#on("undici:request:trailers", (message: { request: object }) => this.#ended(message.request, true));
    this.#on("undici:request:error", (message: { request: object }) => this.#ended(message.request, false));
  }

  /** In the order of their numbers in the trace. */
  get shapes(): readonly RequestShape[] {
    return [...this.#shapes.values()].map(({ shape }) => shape);
  }

  /** Time of this process that the recording took. */
  get spentMs(): number {
    return this.#spentMs;
  }

  [Symbol.dispose](): void {
    for (const unsubscribe_ of this.#unsubscribe) unsubscribe_();
    this.#trace[Symbol.dispose]();
    this.#bodies?.[Symbol.dispose]();
  }

  #on<Message>(channel: string, handle: (message: Message) => void): void {
    const listener = (message: unknown): void => {
      const startedMs = performance.now();
      handle(message as Message);
      this.#spentMs += performance.now() - startedMs;
    };
    subscribe(channel, listener);
    this.#unsubscribe.push(() => unsubscribe(channel, listener));
  }

  #began(request: SeenRequest): void {
    const { method, body } = request;
    if (method !== "POST" || !Buffer.isBuffer(body) || body.length < LEAST_BODY_BYTES) return;
    const atMs = clockMs();
    const number = this.#count++;
    this.#inFlight.set(request, { number, tokens: new TokenScan(), status: 0 });
    const text = body.toString("latin1");
    const seed = SEED.exec(text);
    const key = hash("sha1", seed === null ? text : text.replace(seed[0], ""), "hex").slice(0, KEY_DIGITS);
    this.#trace.add(
      lineOf({ kind: "began", number, atMs, shape: this.#shapeOf(request), key, seed: seed?.[1] ?? null }),
    );
    this.#bodies?.add(body);
  }

  #ended(request: object, isWhole: boolean): void {
    const seen = this.#inFlight.get(request);
    if (seen === undefined) return;
    this.#inFlight.delete(request);
    const { number, status, tokens } = seen;
    const { promptTokens, outputTokens } = tokens;
    this.#trace.add(
      lineOf({ kind: "ended", number, atMs: clockMs(), status: isWhole ? status : 0, promptTokens, outputTokens }),
    );
  }

  #shapeOf({ origin, path, headers }: SeenRequest): number {
    const name = `${String(origin)}\n${path}\n${headers.join("\n")}`;
    const known = this.#shapes.get(name);
    if (known !== undefined) return known.index;
    const index = this.#shapes.size;
    this.#shapes.set(name, { index, shape: { origin: new URL(origin).origin, path, headers: [...headers] } });
    return index;
  }
}
