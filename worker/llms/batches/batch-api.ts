/**
 * OpenAI's Files and Batches API, as far as submitting and collecting batches takes it. Each method makes one request, but
 * for `find`, which reads as many pages as it takes; none tries again.
 *
 * Source: `resources/files.d.ts` and `resources/batches.d.ts` of the npm package openai 6.49.0.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { randomUUID } from "node:crypto";
import { request as send } from "undici";
import type { Dispatcher } from "undici";
import { z } from "zod";
import { isTidingError } from "../../../shared/errors.ts";
import { classifyConnection } from "../classify-connection.ts";
import { classifyResponse } from "../classify-response.ts";
import type { ResponseContext, ServerResponse, WireService } from "../classify-response.ts";
import type { EndpointAddress } from "../endpoint-address.ts";
import { openDispatcher } from "../http-client.ts";
import type { ProxyEnvironment } from "../http-client.ts";
import type { RequestHeaders } from "../request-headers.ts";
import { invalidAnswer, parsedAnswer } from "../wires/answer-parts.ts";

const OPENAI_BATCHES: WireService = {
  name: "OpenAI files and batches",
  mend: "Leave use_offline_batch_generation out: this server answers call by call.",
};

/** A server may look through the whole file that it was sent before it answers. */
const HEADERS_TIMEOUT_MS = 600_000;
const BODY_TIMEOUT_MS = 300_000;
const CONNECTIONS = 4;
const PAGE = 100;
/** Clocks differ: a batch may seem older than its submission. */
const CLOCK_SKEW_S = 86_400;

const Counts = z.object({ total: z.int(), completed: z.int(), failed: z.int() });

const Batch = z.object({
  id: z.string(),
  /** One of OpenAI's eight, or a word of another server's. */
  status: z.string(),
  created_at: z.number().nullish(),
  expires_at: z.number().nullish(),
  output_file_id: z.string().nullish(),
  error_file_id: z.string().nullish(),
  request_counts: Counts.nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  errors: z
    .object({ data: z.array(z.object({ message: z.string().nullish(), code: z.string().nullish() })).nullish() })
    .nullish(),
});
export type RemoteBatch = z.output<typeof Batch>;

const BatchPage = z.object({ data: z.array(Batch), has_more: z.boolean().nullish() });
const File = z.object({ id: z.string() });

/** Under this key a batch says which submission it is. */
export const SUBMISSION_KEY = "tiding_submission";

export interface BatchApiOptions {
  readonly address: EndpointAddress;
  readonly request: RequestHeaders;
  readonly environment: ProxyEnvironment;
}

/** Methods reject with what the server's answer or the connection's error stands for, and with the signal's reason. */
export class BatchApi {
  readonly #options: BatchApiOptions;
  readonly #dispatcher: Dispatcher;

  constructor(options: BatchApiOptions) {
    this.#options = options;
    this.#dispatcher = openDispatcher(options.address.origin, options.environment, { connections: CONNECTIONS });
  }

  /** For messages. */
  get endpoint(): string {
    return this.#options.address.name;
  }

  /** What answers and errors of this server are read against. */
  get context(): ResponseContext {
    const { address, request } = this.#options;
    return { endpoint: address.name, model: null, input: [], secrets: request.secrets, service: OPENAI_BATCHES };
  }

  /** Uploads a file of requests under `name`; it is streamed. Resolves with its id. */
  async upload(file: { readonly path: string; readonly name: string }, signal: AbortSignal): Promise<string> {
    const boundary = `tiding-${randomUUID()}`;
    const part = (head: string): string => `--${boundary}\r\ncontent-disposition: form-data; ${head}\r\n\r\n`;
    const before =
      `${part('name="purpose"')}batch\r\n` +
      part(`name="file"; filename="${file.name}"\r\ncontent-type: application/jsonl`);
    const after = `\r\n--${boundary}--\r\n`;
    const { size } = await stat(file.path);
    const answer = await this.#ask("POST", "/files", {
      headers: {
        "content-type": `multipart/form-data; boundary=${boundary}`,
        "content-length": String(Buffer.byteLength(before) + size + Buffer.byteLength(after)),
      },
      body: multipart(before, file.path, after),
      signal,
    });
    return this.#read(answer, File).id;
  }

  async create(
    batch: { readonly fileId: string; readonly url: string; readonly metadata: Readonly<Record<string, string>> },
    signal: AbortSignal,
  ): Promise<RemoteBatch> {
    const { fileId, url, metadata } = batch;
    const body = { input_file_id: fileId, endpoint: url, completion_window: "24h", metadata };
    return this.#read(await this.#ask("POST", "/batches", { body: JSON.stringify(body), signal }), Batch);
  }

  /** Null for a batch that the server does not know any more. */
  async get(id: string, signal: AbortSignal): Promise<RemoteBatch | null> {
    const answer = await this.#ask("GET", `/batches/${encodeURIComponent(id)}`, { signal, isMissingFine: true });
    return answer.status === 404 ? null : this.#read(answer, Batch);
  }

  /**
   * Looks through the server's batches, the newest first, for the one of this submission. `since`, in milliseconds of the
   * epoch, is when it was decided on: what is a day older is not looked at.
   */
  async find(
    submission: string,
    { since, signal }: { readonly since: number; readonly signal: AbortSignal },
  ): Promise<RemoteBatch | null> {
    for (let after: string | null = null; ;) {
      const query: string = `limit=${PAGE}${after === null ? "" : `&after=${encodeURIComponent(after)}`}`;
      const page = this.#read(await this.#ask("GET", "/batches", { query, signal }), BatchPage);
      const found = page.data.find(({ metadata }) => metadata?.[SUBMISSION_KEY] === submission);
      if (found !== undefined) return found;
      const last = page.data.at(-1);
      const isOlder = (last?.created_at ?? Infinity) < since / 1_000 - CLOCK_SKEW_S;
      if (last === undefined || page.has_more !== true || isOlder || last.id === after) return null;
      after = last.id;
    }
  }

  /** Streams a file's content to `path`. False where the server does not have it any more. */
  async download(fileId: string, path: string, signal: AbortSignal): Promise<boolean> {
    const route = this.#route(`/files/${encodeURIComponent(fileId)}/content`, "");
    try {
      const { statusCode, headers, body } = await this.#send("GET", route, { signal });
      if (statusCode === 200) {
        await pipeline(body, createWriteStream(path, { flush: true }), { signal });
        return true;
      }
      const text = await body.text();
      if (isMissing(statusCode, text)) return false;
      throw classifyResponse({ status: statusCode, headers, text }, this.context);
    } catch (error) {
      signal.throwIfAborted();
      // An error of the file system is the caller's to name.
      throw isTidingError(error) || (error as NodeJS.ErrnoException).syscall === "write"
        ? error
        : this.#connection(error);
    }
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  #route(route: string, query: string): string {
    const { modelsPath } = this.#options.address;
    const [path = "", own = ""] = modelsPath.replace(/\/models(?=\?|$)/, () => route).split("?", 2);
    const whole = [own, query].filter((part) => part !== "").join("&");
    return whole === "" ? path : `${path}?${whole}`;
  }

  #send(
    method: "GET" | "POST",
    path: string,
    { headers = {}, body, signal }: Pick<Asking, "headers" | "body" | "signal">,
  ): Promise<Dispatcher.ResponseData> {
    return send(this.#options.address.origin + path, {
      dispatcher: this.#dispatcher,
      method,
      headers: { ...this.#options.request.headers, ...headers },
      body: body === undefined || typeof body === "string" ? (body ?? null) : Readable.from(body),
      signal,
      headersTimeout: HEADERS_TIMEOUT_MS,
      bodyTimeout: BODY_TIMEOUT_MS,
    });
  }

  async #ask(method: "GET" | "POST", route: string, asking: Asking): Promise<ServerResponse> {
    let answer: ServerResponse;
    try {
      const { statusCode, headers, body } = await this.#send(method, this.#route(route, asking.query ?? ""), asking);
      answer = { status: statusCode, headers, text: await body.text() };
    } catch (error) {
      asking.signal.throwIfAborted();
      throw this.#connection(error);
    }
    if (answer.status === 200 || answer.status === 201) return answer;
    if (asking.isMissingFine === true && isMissing(answer.status, answer.text)) return answer;
    throw classifyResponse(answer, this.context);
  }

  #connection(error: unknown): Error {
    return classifyConnection(error, this.endpoint);
  }

  #read<T>(answer: ServerResponse, schema: z.ZodType<T>): T {
    const { success, data } = schema.safeParse(parsedAnswer(answer, this.context));
    if (!success) throw invalidAnswer("JSON that is not of OpenAI's form", answer.text, { context: this.context });
    return data;
  }
}

interface Asking {
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: string;
  readonly body?: string | AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  /** A 404 of the route's own is an answer. */
  readonly isMissingFine?: boolean;
}

/** A 404 that a route gives in JSON is about the thing; any other is about the route. */
function isMissing(status: number, text: string): boolean {
  return status === 404 && /^\s*\{\s*"error"/.test(text);
}

async function* multipart(before: string, path: string, after: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(before);
  yield* createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>;
  yield Buffer.from(after);
}
