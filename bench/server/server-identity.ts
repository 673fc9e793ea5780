/** Who a server says it is, for the report: its kind, version, model, and what else it tells of how it was started. */
import type { EndpointAddress } from "../../worker/llms/endpoint-address.ts";
import { ownRoute } from "../../worker/llms/endpoint-address.ts";
import type { HttpAnswer } from "../../worker/llms/http-client.ts";
import { isRecord, recogniseByModels, recogniseTgi, textOf } from "../../worker/llms/recognise-server.ts";
import type { RecognisedServer, ServerKind } from "../../worker/llms/recognise-server.ts";
import { DETAIL_ROUTES, withDetails } from "../../worker/llms/server-details.ts";

export interface ServerIdentity {
  readonly server: ServerKind;
  readonly version: string | null;
  readonly model: string | null;
  readonly revision: string | null;
  /** Requests that it works on at a time, where it says so. */
  readonly maxConcurrentRequests: number | null;
  /** The fields of its answers that can be shown: no keys, no templates. */
  readonly info: Readonly<Record<string, unknown>>;
}

type Get = (path: string) => Promise<HttpAnswer>;

/** Kept out of reports: keys (SGLang's `/server_info` holds its arguments), and texts that say nothing of speed. */
const LEFT_OUT =
  /key|token$|password|secret|template|internal_states|default_generation_settings|^ssl_|path|bos_|eos_/i;
const LONGEST_TEXT = 300;

/**
 * Asks at most four routes. One that is missing or closed adds nothing, and of several models the first counts. Rejects with
 * what `get` rejects with.
 */
export async function identifyServer(get: Get, address: EndpointAddress): Promise<ServerIdentity> {
  const wanted = { endpoint: address.name, modelId: undefined, generationKwargs: {} };
  const info = jsonOf(await get(address.infoPath));
  const tgi = recogniseTgi(info, wanted);
  if (tgi !== null) return identity(tgi, shown(info));
  const list = jsonOf(await get(address.modelsPath));
  const [first] = isRecord(list) && Array.isArray(list["data"]) ? (list["data"] as readonly unknown[]) : [];
  // Of several the first: vLLM and llama.cpp list aliases and adapters as models of their own.
  const named = isRecord(first) ? recogniseByModels({ data: [first] }, wanted) : null;
  if (named === null) {
    return { server: "unknown", version: null, model: null, revision: null, maxConcurrentRequests: null, info: {} };
  }
  for (const route of DETAIL_ROUTES[named.server]) {
    const details = jsonOf(await get(ownRoute(address, route)));
    if (isRecord(details)) return identity(withDetails(named, details), { ...shown(first), ...shown(details) });
  }
  return identity(named, shown(first));
}

function identity(server: RecognisedServer, info: Readonly<Record<string, unknown>>): ServerIdentity {
  return {
    server: server.server,
    version: server.version,
    model: server.model,
    revision: server.revision ?? null,
    maxConcurrentRequests: server.limits.maxConcurrentRequests,
    info,
  };
}

function shown(value: unknown): Record<string, unknown> {
  if (!isRecord(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter(([name, each]) => {
      if (LEFT_OUT.test(name)) return false;
      return typeof each === "number" || typeof each === "boolean" || isShort(each);
    }),
  );
}

function isShort(value: unknown): boolean {
  const text = textOf(value);
  return text !== null && text.length <= LONGEST_TEXT;
}

function jsonOf({ status, text }: HttpAnswer): unknown {
  if (status !== 200) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // Web pages answer any path with HTML: such a server says nothing of itself.
    return undefined;
  }
}
