/** Asks a server what it is, over HTTP: one or two requests to recognise it, and at most three more for the details. */
import { TidingError } from "../../shared/errors.ts";
import { classifyResponse } from "./classify-response.ts";
import type { ResponseContext } from "./classify-response.ts";
import { ownRoute, rootPath } from "./endpoint-address.ts";
import type { EndpointAddress } from "./endpoint-address.ts";
import type { HttpAnswer, HttpClient } from "./http-client.ts";
import {
  recogniseByModels,
  recogniseTei,
  recogniseTgi,
  requireStops,
  stopsOf,
  unknownServer,
} from "./recognise-server.ts";
import type { RecognisedServer, Wanted } from "./recognise-server.ts";
import type { RequestHeaders } from "./request-headers.ts";
import { DETAIL_ROUTES, withDetails } from "./server-details.ts";
import { invalidAnswer, notJson } from "./wires/answer-parts.ts";

export interface AskedServer {
  readonly address: EndpointAddress;
  readonly request: RequestHeaders;
  readonly client: HttpClient;
  /** For each request. */
  readonly timeoutMs: number;
}

/** What servers answer on a route that they do not have. */
const NO_ROUTE: readonly number[] = [404, 405, 501];
/** An order without content: the route refuses it in its own words, and nothing is generated or paid. */
const EMPTY = "{}";

/**
 * Tells which server this is and what it serves. Throws `MODEL_NOT_FOUND`, `WRONG_SERVICE` for a web page, `SPEC_INVALID`
 * for what it cannot take of the spec, errors of the connection, and what a refusal stands for.
 */
export async function recogniseServer(
  asked: AskedServer,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<RecognisedServer> {
  const info = await getFrom(asked, asked.address.infoPath, signal);
  const told = info.status === 200 ? jsonOf(info) : null;
  const byInfo = recogniseTgi(told, wanted) ?? recogniseTei(told, wanted);
  if (byInfo !== null) return byInfo;
  const models = await getFrom(asked, asked.address.modelsPath, signal);
  if (NO_ROUTE.includes(models.status)) return unknownServer(wanted.modelId);
  const context = contextOf(asked, wanted);
  if (models.status !== 200) throw classifyResponse(models, context);
  const list = jsonOf(models);
  if (list === undefined) throw webPage(models, context);
  return recogniseByModels(list, wanted) ?? unknownServer(wanted.modelId);
}

/**
 * Looks closer at a recognised server: its version and limits from routes of its own, of which a missing or closed one
 * adds nothing, and so does one that fails; for one that says nothing of itself, whether it is a container, or has a chat
 * route at all. No job needs any of this to run, so none waits for it: also of vLLM, structured output is asked for in a
 * way that holds whatever its version. Throws `WRONG_SERVICE` for a server without a route to generate by, what it
 * refuses a key or an account with, `SPEC_INVALID` for more stop sequences than it takes, and errors of the connection.
 */
export async function askDetails(
  asked: AskedServer,
  server: RecognisedServer,
  { wanted, signal }: { readonly wanted: Wanted; readonly signal: AbortSignal },
): Promise<RecognisedServer> {
  if (server.server === "unknown") {
    if (await wantsInputs(asked, signal)) return { ...server, server: "container" };
    await assertChatRoute(asked, wanted, signal);
  }
  for (const route of DETAIL_ROUTES[server.server]) {
    const answer = await getFrom(asked, ownRoute(asked.address, route), signal);
    if (answer.status !== 200) continue;
    const detailed = withDetails(server, jsonOf(answer));
    return detailed.server === "vllm" ? await heldToStops(asked, detailed, { wanted, signal }) : detailed;
  }
  return server;
}

/**
 * Where a spec goes beyond what vLLM starts with, whether this one was set to take more: its chat route names the limit
 * when it refuses an order, and refuses one without messages in any case (test/fixtures/vllm/stops-alone.json). Null is
 * then for a limit that the spec does not reach. Throws `SPEC_INVALID`.
 */
async function heldToStops(
  asked: AskedServer,
  server: RecognisedServer,
  { wanted, signal }: { readonly wanted: Wanted; readonly signal: AbortSignal },
): Promise<RecognisedServer> {
  const stop = stopsOf(wanted.generationKwargs);
  const { maxStopSequences: usual } = server.limits;
  if (usual === null || stop.length <= usual) return server;
  const { text } = await postTo(asked, asked.address.chatPath, signal, JSON.stringify({ stop }));
  const most = /\bbody\.stop\b.*\bat most (\d+) items?\b/s.exec(text)?.[1];
  if (most !== undefined) requireStops(wanted, Number(most), "VLLM_MAX_STOP_STRINGS");
  return { ...server, limits: { ...server.limits, maxStopSequences: null } };
}

async function assertChatRoute(asked: AskedServer, wanted: Wanted, signal: AbortSignal): Promise<void> {
  const answer = await postTo(asked, asked.address.chatPath, signal);
  const context = contextOf(asked, wanted);
  if (answer.status === 200) {
    if (jsonOf(answer) === undefined) throw webPage(answer, context);
    return;
  }
  const error = classifyResponse(answer, context);
  // Any other refusal is one of the empty request, by a route that is there.
  if (["WRONG_SERVICE", "UNAUTHORIZED", "ENDPOINT_LOADING", "QUOTA_EXHAUSTED"].includes(error.code)) throw error;
}

/** One GET to a route that costs a server next to nothing, whether it has it or not; in milliseconds. */
export async function timeOneGet(asked: AskedServer, signal: AbortSignal): Promise<number> {
  const startedMs = performance.now();
  await getFrom(asked, asked.address.infoPath, signal);
  return performance.now() - startedMs;
}

/**
 * Whether `POST /` asks for `inputs`, as Hugging Face's containers do: "Body needs to provide a inputs key" with 400
 * (huggingface-inference-toolkit, `webservice_starlette.py`); FastAPI names the missing field with 422.
 */
async function wantsInputs(asked: AskedServer, signal: AbortSignal): Promise<boolean> {
  const { status, text } = await postTo(asked, rootPath(asked.address), signal);
  return (status === 400 || status === 422) && /\binputs\b/.test(text);
}

function getFrom({ client, request, timeoutMs }: AskedServer, path: string, signal: AbortSignal): Promise<HttpAnswer> {
  return client.send({ method: "GET", path, headers: request.headers, body: null, signal, timeoutMs, reader: null });
}

function postTo(
  { client, request: { headers }, timeoutMs }: AskedServer,
  path: string,
  signal: AbortSignal,
  body = EMPTY,
): Promise<HttpAnswer> {
  return client.send({ method: "POST", path, headers, body, signal, timeoutMs, reader: null });
}

function webPage(answer: HttpAnswer, context: ResponseContext): TidingError {
  return new TidingError("WRONG_SERVICE", `${context.endpoint} sent the wrong content type: ${notJson(answer)}.`, {
    place: context.endpoint,
    mend: "See that base_url is the address of the model server, and not of a web page before it.",
    cause: invalidAnswer(notJson(answer), answer.text, { context }),
  });
}

function contextOf({ address, request }: AskedServer, { modelId }: Wanted): ResponseContext {
  return { endpoint: address.name, model: modelId ?? null, input: [], secrets: request.secrets };
}

/** Undefined where the answer is no JSON. */
function jsonOf({ text }: HttpAnswer): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Web pages answer any path with HTML; the caller decides whether that matters.
    return undefined;
  }
}
