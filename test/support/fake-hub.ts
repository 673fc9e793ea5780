/** Hugging Face's services on 127.0.0.1, as far as calls go through them: the Hub, its router, the endpoints' API. */
import { sendJson, startScriptedServer } from "./scripted-server.ts";
import type { ReceivedRequest, Script, ScriptedServer } from "./scripted-server.ts";

export const HUB_TOKEN = "hf_canary";

/** A dedicated endpoint as the API describes it. */
export interface FakeEndpoint {
  state: string;
  url?: string;
  repository?: string;
  revision?: string;
}

export interface FakeHub extends AsyncDisposable {
  readonly server: ScriptedServer;
  /** Leads a client here, with a token. */
  readonly environment: Readonly<Record<string, string>>;
  /** By `namespace/name`. */
  readonly endpoints: Record<string, FakeEndpoint>;
  /** What it lets in. */
  token: string;
  /** Who has the token. */
  user: { type: string; name: string };
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
    const id = path.replace(/^\/v2\/endpoint\//, "");
    const endpoint = hub.endpoints[id];
    if (endpoint === undefined) return sendJson(response, { error: "not found" }, { status: 404 });
    const { state, url, repository = "org/model", revision } = endpoint;
    return sendJson(response, {
      name: id.split("/")[1],
      model: { repository, revision, task: "text-generation" },
      status: { state, ...(url === undefined ? {} : { url }), readyReplica: 0, targetReplica: 1 },
    });
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
    endpoints: {},
    user: { type: "user", name: "ada" },
    models: {},
    get calls() {
      return server.requests.filter(({ method }) => method === "POST");
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
  return hub;
}
