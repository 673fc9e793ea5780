/**
 * A simulated endpoint: TGI's HTTP contract (router v3.3) without a model, for the demo, for tests and for benchmarks.
 *
 * Answers, latencies and faults derive from the prompt (answer.ts, latency.ts, faults.ts), so that a run can be repeated
 * and every answer checked. Built to be cheap, so that a benchmark measures its client: the body is parsed once,
 * answers are cut from one prepared text, and an answer without latency takes no timer.
 *
 * With `serves: "images"` it is an endpoint container, or an OpenAI server, that makes images (image.ts).
 *
 * With `batching` it answers by batches as TGI does (batching/), and says how late its own clock was; `/simulator/lateness`
 * tells that since it was last asked. Without, requests do not know of each other.
 *
 * Not simulated: tokenisation (a token is a word), what is chosen, speculation.
 * Memory grows by a few dozen bytes for each distinct prompt, to know how often it was seen.
 */

import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { messageOf, TidingError } from "../../shared/errors.ts";
import { infoJson, modelsJson } from "./bodies.ts";
import { Generation } from "./generation.ts";
import type { GenerationStats } from "./generation.ts";
import { BodyMisfit, readChatCall, readCompletionsCall, readGenerateCall } from "./generation-call.ts";
import type { GenerationCall } from "./generation-call.ts";
import { readContainerCall, readImagesCall } from "./image-call.ts";
import { parseSimulatorOptions } from "./options.ts";
import type { SimulatorInput, SimulatorOptions } from "./options.ts";
import { Readiness } from "./readiness.ts";
import type { ReadinessState } from "./readiness.ts";
import { withinMemory } from "./replicas.ts";
import { sendBody } from "./reply.ts";
import { isJson, readBody, WRONG_TYPE } from "./request-body.ts";
import { FileRequestLog, MemoryRequestLog } from "./request-log.ts";
import type { RequestLog, RequestLogEntry } from "./request-log.ts";

export interface SimulatorStats extends GenerationStats {
  /** Where it has a cold start or sleeps. */
  readonly state?: ReadinessState;
  /** CPU time of the simulator's whole process since it started. */
  readonly cpuMs: number;
}

export interface Simulator extends AsyncDisposable {
  /** Base URL without a slash at the end. */
  readonly url: string;
  stats(): SimulatorStats;
  /** The requests kept by `log: "memory"`, oldest first; empty otherwise. */
  requests(): RequestLogEntry[];
  /** Resolves when every request that ended is in the log file. */
  flushLog(): Promise<void>;
  /** Stops at once: open connections are cut, requests in flight count as dropped, the log is written out. */
  close(): Promise<void>;
}

/** Starts a simulator in this process. Throws `USAGE` for wrong options, a taken port or a log that cannot be opened. */
export async function startSimulator(input: SimulatorInput = {}): Promise<Simulator> {
  const options = withinMemory(parseSimulatorOptions(input));
  const log = await openLog(options);
  const readiness = new Readiness(options);
  const generation = new Generation(options, { log, readiness });
  const server = createServer({ noDelay: true, keepAliveTimeout: 75_000, requestTimeout: 0, headersTimeout: 0 });
  server.on("request", requestListener(options, { generation, log, readiness }));
  try {
    await listen(server, options);
  } catch (error) {
    readiness.close();
    await log?.close();
    throw new TidingError(
      "USAGE",
      `The simulator cannot listen on ${options.host}:${options.port}: ${messageOf(error)}.`,
      {
        mend: "Choose another address, another port, or port 0 for any free one.",
        cause: error,
      },
    );
  }
  const { port } = server.address() as AddressInfo;
  let closed: Promise<void> | null = null;
  const close = (): Promise<void> => (closed ??= stop(server, { generation, log, readiness }));
  return {
    url: `http://${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`,
    stats: () => statsOf(generation, readiness),
    requests: () => (log instanceof MemoryRequestLog ? log.entries() : []),
    flushLog: async () => log?.flush(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

type RouteTable = Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>>;

interface Parts {
  readonly generation: Generation;
  readonly log: RequestLog | null;
  readonly readiness: Readiness;
}

function requestListener(options: SimulatorOptions, { generation, log, readiness }: Parts): RequestListener {
  const text = "text/plain; charset=utf-8";
  type Read = (body: unknown, request: IncomingMessage) => GenerationCall;
  const ofImages: Record<string, Read> = {
    "/": (body, { headers }) => readContainerCall(body, headers.accept),
    "/v1/images/generations": readImagesCall,
  };
  const ofText: Record<string, Read> = {
    "/v1/chat/completions": (body) => readChatCall(body, options),
    "/v1/completions": (body) => readCompletionsCall(body, options),
    "/generate": (body) => readGenerateCall(body, "generate", { stream: false, limits: options }),
    "/generate_stream": (body) => readGenerateCall(body, "generate", { stream: true, limits: options }),
    "/": (body) => readGenerateCall(body, "compat", { stream: false, limits: options }),
  };
  const makesImages = options.serves === "images";
  const reads = makesImages ? ofImages : ofText;
  const bearer = options.apiKey === undefined ? null : `bearer ${options.apiKey}`.toLowerCase();

  const refuse = (response: ServerResponse, status: number, message: string): void => {
    generation.countRejected();
    sendBody(response, status, message, text);
  };
  const generate = (request: IncomingMessage, response: ServerResponse, read: Read): void => {
    // Letter case does not matter to TGI, not even in the key.
    if (bearer !== null && request.headers.authorization?.toLowerCase() !== bearer) return refuse(response, 401, "");
    if (!isJson(request.headers["content-type"])) return refuse(response, WRONG_TYPE.status, WRONG_TYPE.text);
    readBody(request, ({ bytes, arrivedMs }, refusal) => {
      if (refusal !== null) return refuse(response, refusal.status, refusal.text);
      let call: GenerationCall;
      try {
        call = read(JSON.parse(bytes.toString()), request);
      } catch (error) {
        const misfit = error instanceof BodyMisfit;
        const what = misfit ? "deserialize the JSON body into the target type" : "parse the request body as JSON";
        return refuse(response, misfit ? 422 : 400, `Failed to ${what}: ${messageOf(error)}`);
      }
      generation.take(call, response, arrivedMs);
    });
  };

  const healthy = (_request: IncomingMessage, response: ServerResponse): void => void sendBody(response, 200, "");
  const json = (response: ServerResponse, value: unknown): void => void sendBody(response, 200, JSON.stringify(value));
  const describing: RouteTable = {
    "/info": (_request, response) => void sendBody(response, 200, infoJson(options)),
    "/v1/models": (_request, response) => void sendBody(response, 200, modelsJson(options.model)),
  };
  const gets: RouteTable = {
    ...(makesImages ? {} : describing),
    "/": healthy,
    "/health": healthy,
    "/ping": healthy,
    "/metrics": (_request, response) => void sendBody(response, 200, generation.renderMetrics(), text),
    "/simulator/stats": (_request, response) => json(response, statsOf(generation, readiness)),
    "/simulator/lateness": (_request, response) => {
      json(response, generation.stats().lateness ?? null);
      generation.resetLateness();
    },
    "/simulator/flush": (_request, response) => {
      Promise.resolve(log?.flush()).then(
        () => json(response, { flushed: true }),
        (error: unknown) => sendBody(response, 500, messageOf(error), text),
      );
    },
  };

  const route = (request: IncomingMessage, response: ServerResponse, path: string): void => {
    const read = Object.hasOwn(reads, path) ? reads[path] : undefined;
    const get = Object.hasOwn(gets, path) ? gets[path] : undefined;
    if (request.method === "POST" && read !== undefined) return generate(request, response, read);
    if (request.method === "GET" && get !== undefined) return get(request, response);
    sendBody(response, read === undefined && get === undefined ? 404 : 405, "");
  };

  return (request, response) => {
    const path = pathOf(request.url ?? "/");
    const own = path.startsWith("/simulator/");
    const refusal = own ? null : readiness.enter();
    if (refusal === null) return route(request, response, path);
    const limitSeconds = Number(request.headers["x-scale-up-timeout"] ?? 0);
    const held = limitSeconds > 0 ? readiness.wait(limitSeconds * 1_000) : Promise.resolve(false);
    void held.then((ready) => {
      if (response.destroyed) return;
      if (ready) route(request, response, path);
      else sendBody(response, refusal, refusal === 502 ? "Bad Gateway" : "Service Unavailable", text);
    });
  };
}

function pathOf(url: string): string {
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

function statsOf(generation: Generation, readiness: Readiness): SimulatorStats {
  const { user, system } = process.cpuUsage();
  return { ...generation.stats(), ...readiness.told(), cpuMs: (user + system) / 1000 };
}

async function openLog({ log, memoryLogEntries }: SimulatorOptions): Promise<RequestLog | null> {
  if (log === undefined) return null;
  if (log === "memory") return new MemoryRequestLog(memoryLogEntries);
  try {
    return await FileRequestLog.open(log);
  } catch (error) {
    throw new TidingError("USAGE", `The request log cannot be opened: ${messageOf(error)}.`, {
      place: log,
      mend: "Give a file in a folder that exists and can be written.",
      cause: error,
    });
  }
}

function listen(server: Server, { host, port }: SimulatorOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // The kernel caps the backlog at its own limit.
    server.listen({ host, port, backlog: 65_535 }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function stop(server: Server, { generation, log, readiness }: Parts): Promise<void> {
  readiness.close();
  generation.close();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
  await generation.idle(); // Responses learn of their cut connection in a later turn, and are logged then.
  await log?.close();
}
