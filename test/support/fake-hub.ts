/** Hugging Face's services on 127.0.0.1, as far as calls go through them: the Hub, its router, the endpoints' API. */
import { answerEndpoints, endpointsService } from "./endpoints-service.ts";
import type { EndpointsService } from "./endpoints-service.ts";
import { sendJson, startScriptedServer } from "./scripted-server.ts";
import type { ReceivedRequest, Script, ScriptedServer } from "./scripted-server.ts";

export const HUB_TOKEN = "hf_canary";

export interface FakeHub extends AsyncDisposable, EndpointsService {
  readonly server: ScriptedServer;
  /** Leads a client here, with a token. */
  readonly environment: Readonly<Record<string, string>>;
  /** What it lets in. */
  token: string;
  /** Who has the token. */
  user: { type: string; name: string; orgs?: readonly { name: string }[] };
  /** By repository: the value of `inferenceProviderMapping`. */
  readonly models: Record<string, unknown>;
  /** Requests for answers, which went through the router. */
  readonly calls: readonly ReceivedRequest[];
}

/** `route` answers what comes to the router. Without the token everything but the router is 401. */
export async function startFakeHub(route: Script = () => undefined): Promise<FakeHub> {
  const server = await startScriptedServer((request, response) => {
    const [path = ""] = request.path.split("?");
    if (path.startsWith("/router/")) return route(request, response);
    if (request.headers.authorization !== `Bearer ${hub.token}`) {
      return sendJson(response, { error: "Invalid username or password." }, { status: 401 });
    }
    if (path === "/api/whoami-v2") return sendJson(response, hub.user);
    const mapping = hub.models[path.replace(/^\/api\/models\//, "")];
    if (mapping !== undefined) return sendJson(response, { inferenceProviderMapping: mapping });
    if (path.startsWith("/v2/")) return answerEndpoints(hub, request, response);
    sendJson(response, { error: "not found" }, { status: 404 });
  });
  const hub: FakeHub = {
    server,
    environment: {
      HF_TOKEN: HUB_TOKEN,
      HF_ENDPOINT: server.url,
      HF_ROUTER_URL: `${server.url}/router`,
      HF_ENDPOINTS_URL: `${server.url}/v2`,
    },
    token: HUB_TOKEN,
    ...endpointsService(),
    user: { type: "user", name: "ada" },
    models: {},
    get calls() {
      return server.requests.filter(({ method, path }) => method === "POST" && !path.startsWith("/v2/"));
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
  return hub;
}
