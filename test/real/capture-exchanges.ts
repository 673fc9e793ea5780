/** Captures what Tiding and a real server say to one another, for `test/fixtures/`. */
import { isDeepStrictEqual } from "node:util";
import { isTidingError } from "../../shared/errors.ts";
import { answerText, eventsOf } from "../support/exchanges.ts";
import type { Exchange } from "../support/exchanges.ts";
import { openLLM } from "../support/inference-llm.ts";
import { startScriptedServer } from "../support/scripted-server.ts";
import type { VllmCall, VllmRequest } from "../support/vllm-calls.ts";

export interface CapturedServer {
  readonly url: string;
  readonly key: string;
  /** Of calls. */
  readonly modelId: string;
}

/** The exchange of the one POST that a call comes to, taken between Tiding and the server. */
export async function captureCall(server: CapturedServer, call: VllmCall): Promise<Exchange> {
  const { generationKwargs: generation_kwargs, stream = false, structuredOutput = null, input } = call;
  const exchanges: Exchange[] = [];
  await using between = await startScriptedServer(async ({ method, path, body }, response) => {
    const exchange = await ask(server, { method, path, body, key: "right" });
    exchanges.push(exchange);
    response.writeHead(exchange.response.status, { "content-type": exchange.response.contentType ?? "text/plain" });
    response.end(answerText(exchange));
  });
  await using client = openLLM({ base_url: between.url, model_id: server.modelId, generation_kwargs, stream });
  // What the server refuses is captured like anything else.
  await client.call(input, { structuredOutput }).catch((error: unknown) => {
    if (!isTidingError(error)) throw error;
  });
  const posts = exchanges.filter(({ request }) => request.method === "POST");
  const [post] = posts;
  if (post === undefined || posts.length > 1) throw new Error(`${call.name} came to ${posts.length} requests.`);
  return post;
}

export function captureRequest(server: CapturedServer, request: VllmRequest): Promise<Exchange> {
  return ask(server, request);
}

async function ask(
  { url, key: rightKey }: CapturedServer,
  { method, path, body, key }: Omit<VllmRequest, "name" | "method"> & { readonly method: string },
): Promise<Exchange> {
  const keys = { right: rightKey, wrong: "wrong", none: null };
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (keys[key] !== null) headers["authorization"] = `Bearer ${keys[key]}`;
  const sent = body === null ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
  const response = await fetch(url + path, { method, headers, ...sent });
  const text = await response.text();
  const contentType = response.headers.get("content-type");
  const isJson = contentType?.startsWith("application/json") === true;
  return {
    request: { method, path, body },
    response: { status: response.status, contentType, body: isJson ? (JSON.parse(text) as unknown) : text },
  };
}

/** Where an exchange of today is not of the captured one's form, as sentences: the request, the status, the fields. */
export function drift(name: string, now: Exchange, then: Exchange): readonly string[] {
  const changes: string[] = [];
  if (!isDeepStrictEqual(now.request, then.request)) changes.push(`${name}: another request is sent.`);
  const [{ status }, { status: statusThen }] = [now.response, then.response];
  if (status !== statusThen) changes.push(`${name}: status ${status}, captured ${statusThen}.`);
  const [fields, fieldsThen] = [fieldsOf(now), fieldsOf(then)];
  const added = [...fields].filter((field) => !fieldsThen.has(field));
  const gone = [...fieldsThen].filter((field) => !fields.has(field));
  if (added.length > 0) changes.push(`${name}: new fields ${added.join(", ")}.`);
  if (gone.length > 0) changes.push(`${name}: fields gone ${gone.join(", ")}.`);
  return changes;
}

/** Paths of all fields of an answer, or of all events of a stream together. */
function fieldsOf(exchange: Exchange): ReadonlySet<string> {
  const fields = new Set<string>();
  const collect = (value: unknown, path: string): void => {
    if (Array.isArray(value)) {
      for (const each of value) collect(each, `${path}[]`);
      return;
    }
    if (typeof value !== "object" || value === null) return;
    for (const [key, each] of Object.entries(value)) {
      fields.add(`${path}.${key}`);
      collect(each, `${path}.${key}`);
    }
  };
  const { body } = exchange.response;
  for (const each of typeof body === "string" ? eventsOf(exchange) : [body]) collect(each, "$");
  return fields;
}
