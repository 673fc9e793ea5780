/**
 * A server of OpenAI's files and batches API on 127.0.0.1, whose answers derive from the prompts as the simulator's do.
 *
 * Its contract is that of the npm package openai 6.49.0 (`resources/files.d.ts`, `resources/batches.d.ts`): what it is sent is
 * checked against that, and a batch of what does not fit fails while it is validated. A batch takes one step each time that
 * it is asked after, so that tests see statuses change without a clock.
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { answerFor, promptOf, type PromptMessage } from "../../bench/simulator/answer.ts";
import { sendJson } from "./scripted-server.ts";

export const BATCH_MODEL = "batch/model";

export interface BatchRequestLine {
  readonly custom_id: string;
  readonly method: string;
  readonly url: string;
  readonly body: {
    readonly model?: string;
    readonly messages?: readonly PromptMessage[];
    readonly prompt?: string;
    readonly seed?: number;
    readonly response_format?: unknown;
    readonly max_tokens?: number;
  };
}

/** What becomes of one request: an answer with its status, or none within the batch's time. */
export type BatchOutcome = { readonly status: number; readonly body: unknown } | "expired";

export interface ServedBatch {
  readonly id: string;
  readonly endpoint: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly lines: readonly BatchRequestLine[];
  /** Those that are still to come; the first is what the next look finds. */
  statuses: string[];
  status: string;
  output: string | null;
  error: string | null;
  /** Why it failed. */
  reason: string | null;
}

export interface BatchServer extends AsyncDisposable {
  readonly url: string;
  /** In the order of their creation. */
  readonly batches: readonly ServedBatch[];
  readonly uploads: number;
  /** Requests that were answered one by one. */
  readonly directCalls: number;
  /** Methods with paths, in the order in which they came. */
  readonly asked: readonly string[];
  /** Of the batches that are created from now on. */
  statuses: readonly string[];
  outcome: (line: BatchRequestLine, batch: ServedBatch) => BatchOutcome;
  /** Sees each request first; true when it has taken care of the response. */
  intercept: (asked: string, response: ServerResponse) => boolean;
  /** Is called with half of a download sent, in place of the other half. */
  onHalfDownload: (() => void) | null;
  /** Bytes of a file by its id. */
  file(id: string): string;
  forget(batchId: string): void;
}

const STATUSES = ["validating", "in_progress", "finalizing", "completed"];

export async function startBatchServer(): Promise<BatchServer> {
  const server = new LoopbackBatches();
  await server.listen();
  return server;
}

/** The answer that every request gets unless a test says otherwise. */
export function derivedAnswer({ url, body }: BatchRequestLine): BatchOutcome {
  const prompt = body.prompt ?? promptOf(body.messages ?? []);
  const { text, tokens } = answerFor(prompt, { answerChars: 120, seed: body.seed ?? null });
  const usage = { prompt_tokens: 7, completion_tokens: tokens, total_tokens: 7 + tokens };
  const choice = url === "/v1/completions" ? { text } : { message: { role: "assistant", content: text } };
  const choices = [{ index: 0, ...choice, finish_reason: "stop" }];
  return { status: 200, body: { id: "x", model: body.model, choices, usage } };
}

class LoopbackBatches implements BatchServer {
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #files = new Map<string, string>();
  #batches: ServedBatch[] = [];
  readonly asked: string[] = [];
  uploads = 0;
  directCalls = 0;
  statuses: readonly string[] = STATUSES;
  outcome: BatchServer["outcome"] = derivedAnswer;
  intercept: BatchServer["intercept"] = () => false;
  onHalfDownload: (() => void) | null = null;

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get batches(): readonly ServedBatch[] {
    return this.#batches;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  file(id: string): string {
    return this.#files.get(id) ?? "";
  }

  forget(batchId: string): void {
    this.#batches = this.#batches.filter(({ id }) => id !== batchId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://localhost");
    const asked = `${request.method} ${url.pathname}`;
    this.asked.push(asked);
    // A client that is killed in the middle of an upload leaves nothing behind.
    const body = await buffer(request).catch(() => null);
    if (body === null || this.intercept(asked, response)) return;
    const [, , kind, id, content] = url.pathname.split("/");
    if (asked === "GET /v1/models") {
      const model = { id: BATCH_MODEL, object: "model", owned_by: "openai" };
      return sendJson(response, { object: "list", data: [model] });
    }
    if (asked === "POST /v1/files") return this.#upload(request, body.toString(), response);
    if (asked === "POST /v1/batches") return this.#create(JSON.parse(body.toString()), response);
    if (asked === "GET /v1/batches") return this.#list(url.searchParams, response);
    if (asked === "POST /v1/chat/completions") {
      this.directCalls += 1;
      const line = { custom_id: "", method: "POST", url: url.pathname, body: JSON.parse(body.toString()) };
      const outcome = derivedAnswer(line);
      return outcome === "expired" ? undefined : sendJson(response, outcome.body, { status: outcome.status });
    }
    if (kind === "batches" && id !== undefined) return this.#look(id, response);
    if (kind === "files" && id !== undefined && content === "content") return this.#download(id, response);
    response.writeHead(404).end();
  }

  #upload(request: IncomingMessage, body: string, response: ServerResponse): void {
    const boundary = /boundary=(.+)$/.exec(request.headers["content-type"] ?? "")?.[1] ?? "";
    const parts = body.split(`--${boundary}`).slice(1, -1);
    const contentOf = (name: string): string | null => {
      const part = parts.find((text) => text.includes(`name="${name}"`));
      return part === undefined ? null : part.slice(part.indexOf("\r\n\r\n") + 4, -2);
    };
    const file = contentOf("file");
    if (contentOf("purpose") !== "batch" || file === null || !/filename="[^"]+\.jsonl"/.test(body)) {
      return refuse(response, 400, "Invalid file format for Batch API. Must be .jsonl");
    }
    this.uploads += 1;
    const id = `file-${this.uploads}`;
    this.#files.set(id, file);
    sendJson(response, { id, object: "file", bytes: file.length, purpose: "batch", status: "processed" });
  }

  #create(
    body: { input_file_id: string; endpoint: string; completion_window: string; metadata?: Record<string, string> },
    response: ServerResponse,
  ): void {
    const file = this.#files.get(body.input_file_id);
    if (file === undefined) return refuse(response, 400, `Invalid input_file_id ${body.input_file_id}`);
    if (body.completion_window !== "24h") return refuse(response, 400, "Invalid completion_window");
    const metadata = body.metadata ?? {};
    const isTooLong = Object.entries(metadata).some(([key, value]) => key.length > 64 || value.length > 512);
    if (isTooLong) return refuse(response, 400, "Invalid metadata");
    const reason = faultOf(file, body.endpoint);
    const batch: ServedBatch = {
      id: `batch_${this.#batches.length + 1}`,
      endpoint: body.endpoint,
      metadata,
      lines: reason === null ? linesOf(file) : [],
      statuses: reason === null ? [...this.statuses] : ["validating", "failed"],
      status: "validating",
      output: null,
      error: null,
      reason,
    };
    this.#batches.push(batch);
    sendJson(response, described(batch));
  }

  #look(id: string, response: ServerResponse): void {
    const batch = this.#batches.find((each) => each.id === id);
    if (batch === undefined) return refuse(response, 404, `No batch found with id '${id}'.`);
    const [next] = batch.statuses;
    if (next !== undefined) {
      batch.statuses = batch.statuses.slice(1);
      batch.status = next;
      if (["completed", "expired", "cancelled"].includes(next)) this.#end(batch);
    }
    sendJson(response, described(batch));
  }

  /** Results come in another order than the requests. */
  #end(batch: ServedBatch): void {
    let output = "";
    let error = "";
    for (const line of batch.lines.toReversed()) {
      const outcome = this.outcome(line, batch);
      const result = (response: object | null, fault: object | null): string =>
        `${JSON.stringify({ id: "batch_req_1", custom_id: line.custom_id, response, error: fault })}\n`;
      if (outcome === "expired") {
        const message = "This request could not be executed before the completion window expired.";
        error += result(null, { code: "batch_expired", message });
      } else if (outcome.status === 200) {
        output += result({ status_code: 200, request_id: "r", body: outcome.body }, null);
      } else {
        error += result({ status_code: outcome.status, request_id: "r", body: outcome.body }, null);
      }
    }
    for (const [kind, text] of [
      ["output", output],
      ["error", error],
    ] as const) {
      if (text === "") continue;
      batch[kind] = `file-${batch.id}-${kind}`;
      this.#files.set(batch[kind], text);
    }
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const newestFirst = this.#batches.toReversed();
    const from = newestFirst.findIndex(({ id }) => id === query.get("after")) + 1;
    const limit = Number(query.get("limit") ?? 20);
    const data = newestFirst.slice(from, from + limit).map(described);
    sendJson(response, { object: "list", data, has_more: from + limit < newestFirst.length });
  }

  #download(id: string, response: ServerResponse): void {
    const text = this.#files.get(id);
    if (text === undefined) return refuse(response, 404, `No such File object: ${id}`);
    if (this.onHalfDownload === null) {
      response.writeHead(200, { "content-type": "application/octet-stream" }).end(text);
      return;
    }
    const tell = this.onHalfDownload;
    this.onHalfDownload = null;
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": Buffer.byteLength(text) });
    response.write(text.slice(0, text.length >> 1), tell);
  }
}

function refuse(response: ServerResponse, status: number, message: string): void {
  sendJson(response, { error: { message, type: "invalid_request_error", param: null, code: null } }, { status });
}

function described(batch: ServedBatch): object {
  const { id, endpoint, metadata, status, lines, output, error, reason } = batch;
  const hasEnded = output !== null || error !== null;
  return {
    id,
    object: "batch",
    endpoint,
    status,
    completion_window: "24h",
    created_at: Math.floor(Date.now() / 1_000),
    expires_at: Math.floor(Date.now() / 1_000) + 86_400,
    output_file_id: output,
    error_file_id: error,
    metadata,
    request_counts: {
      total: lines.length,
      completed: hasEnded ? lines.length - (error === null ? 0 : 1) : status === "in_progress" ? lines.length >> 1 : 0,
      failed: 0,
    },
    errors: reason === null ? null : { object: "list", data: [{ code: "invalid", message: reason, line: 1 }] },
  };
}

function linesOf(file: string): BatchRequestLine[] {
  return file
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as BatchRequestLine);
}

/** What OpenAI's validation would say, or null. */
function faultOf(file: string, endpoint: string): string | null {
  if (Buffer.byteLength(file) > 200_000_000) return "The file is larger than 200 MB.";
  const lines = linesOf(file);
  if (lines.length === 0 || lines.length > 50_000) return `The file has ${lines.length} requests.`;
  if (new Set(lines.map(({ custom_id }) => custom_id)).size < lines.length) return "The custom_id is not unique.";
  if (new Set(lines.map(({ body }) => body.model)).size > 1) return "The file has requests for several models.";
  const isOdd = lines.some(
    ({ custom_id, method, url, body }) =>
      custom_id.length > 64 || method !== "POST" || url !== endpoint || body.model !== BATCH_MODEL,
  );
  return isOdd ? "A line does not fit the batch." : null;
}
