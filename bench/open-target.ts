/** From an endpoint as a person names it to how its requests are made. */
import { probeEndpoint } from "../jobs/probe-endpoint.ts";
import type { EndpointProbe } from "../jobs/probe-endpoint.ts";
import { TidingError } from "../shared/errors.ts";
import { secretResolver } from "../shared/spec/secret.ts";
import { endpointAddress, ownRoute, withoutQuery } from "../worker/llms/endpoint-address.ts";
import { requestHeaders } from "../worker/llms/request-headers.ts";
import type { BenchOptions } from "./bench-options.ts";
import type { LoadTarget } from "./load/load-target.ts";

/** Those that are known to take `ignore_eos`; others refuse fields that they do not know. */
const IGNORE_EOS: ReadonlySet<EndpointProbe["server"]> = new Set(["vllm", "sglang", "llamacpp"]);

/**
 * Asks the endpoint what it is, and settles how it is put under load. Throws what `probeEndpoint` throws, and `WRONG_SERVICE`
 * for a server without the route that is to be measured.
 */
export async function openTarget(
  options: Pick<BenchOptions, "endpoint" | "prompts" | "ignoreEos" | "generation" | "requestTimeoutMs" | "environment">,
  signal: AbortSignal,
): Promise<{ readonly probe: EndpointProbe; readonly target: LoadTarget }> {
  const { endpoint, environment, ignoreEos, generation, requestTimeoutMs } = options;
  const { url, modelId, apiKey } = endpoint;
  const spec = { headers: { ...endpoint.headers }, ...(apiKey === null ? {} : { api_key: apiKey }) };
  const llm = { ...spec, base_url: url, ...(modelId === null ? {} : { model_id: modelId }) };
  const probe = await probeEndpoint({ llm, environment, signal });
  const { headers } = requestHeaders(spec, endpointAddress(url), secretResolver(environment));
  // A stream is asked for by what makes the load.
  const { accept: _accept, "content-type": _type, ...own } = headers;
  const target = {
    url,
    route: routeOf(options, probe),
    server: probe.server,
    model: probe.model === "unknown" ? "" : probe.model,
    headers: own,
    ignoreEos: ignoreEos && IGNORE_EOS.has(probe.server),
    generation,
    requestTimeoutMs,
  };
  return { probe, target };
}

const ROUTES = { tgi: "generate", chat: "chat", completions: "completions" } as const;

function routeOf(
  { endpoint, prompts }: Pick<BenchOptions, "endpoint" | "prompts">,
  probe: EndpointProbe,
): LoadTarget["route"] {
  const has = (route: LoadTarget["route"]): boolean => probe.routes.some((one) => one.route === ROUTES[route]);
  const best = has("tgi") && prompts.source.kind === "synthetic" ? "tgi" : "chat";
  const wanted = endpoint.route === "auto" ? best : endpoint.route;
  // Whoever has the one of OpenAI's routes may have the other, and only trying tells.
  if (has(wanted) || (wanted === "completions" && has("chat"))) return wanted;
  throw new TidingError("WRONG_SERVICE", `The endpoint has no route for what is to be measured: ${ROUTES[wanted]}.`, {
    place: probe.endpoint,
    mend: "Give the URL of a server that writes texts; `tiding probe` lists a server's routes.",
  });
}

/** The path of the target's requests, without the query of its URL. */
export function pathOf({ url, route }: LoadTarget): string {
  const address = endpointAddress(url);
  const paths = {
    tgi: ownRoute(address, "/generate_stream"),
    chat: address.chatPath,
    completions: address.completionsPath,
  };
  return withoutQuery(paths[route]);
}
