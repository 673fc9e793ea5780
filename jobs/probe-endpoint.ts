/** Asks one endpoint what it is, what it serves and what it can take, without generating anything. */
import { TidingError } from "../shared/errors.ts";
import { LLMSpec } from "../shared/spec/job-spec.ts";
import type { JobSpecInput } from "../shared/spec/job-spec.ts";
import type { SecretResolver } from "../shared/spec/loaded-spec.ts";
import { secretResolver } from "../shared/spec/secret.ts";
import { askDetails, recogniseServer, timeOneGet } from "../worker/llms/ask-server.ts";
import type { AskedServer } from "../worker/llms/ask-server.ts";
import { endpointAddress } from "../worker/llms/endpoint-address.ts";
import { HttpClient } from "../worker/llms/http-client.ts";
import type { ServerKind, ServerLimits } from "../worker/llms/recognise-server.ts";
import { requestHeaders } from "../worker/llms/request-headers.ts";
import { routesOf } from "../worker/llms/server-routes.ts";
import type { ServerRoute } from "../worker/llms/server-routes.ts";
import { probeAdvice } from "./probe-advice.ts";

type LLMInput = NonNullable<JobSpecInput["steps"][number]["llm"]>;

/** What of a step's `llm` says whom to ask and how. */
export interface ProbedLLM extends Pick<LLMInput, "model_id" | "api_key" | "headers" | "generation_kwargs"> {
  readonly base_url: string;
}

export interface ProbeEndpointOptions {
  readonly llm: ProbedLLM;
  /** For proxies, `HF_TOKEN`, and the keys that `llm` refers to. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** By default from the environment. */
  readonly secret?: SecretResolver;
  readonly signal?: AbortSignal;
}

export interface EndpointProbe {
  readonly version: 1;
  /** The base URL without credentials and query. */
  readonly endpoint: string;
  readonly server: ServerKind;
  /** Of the server's program; null where it does not say. */
  readonly serverVersion: string | null;
  /** What a job would call its model; `unknown` where the server names none. */
  readonly model: string;
  readonly revision: string | null;
  readonly limits: ServerLimits;
  readonly routes: readonly ServerRoute[];
  /** Of one GET on an open connection. */
  readonly latencyMs: number;
  /** What to set in a spec, as sentences. */
  readonly advice: readonly string[];
}

/** For each question; there are at most five. */
const TIMEOUT_MS = 10_000;

/**
 * Throws `SPEC_INVALID` and `SECRET_MISSING` for what it was given, `ENDPOINT_UNREACHABLE`, `ENDPOINT_LOADING`,
 * `UNAUTHORIZED`, `WRONG_SERVICE` for a web page or a server without a route to generate by, `MODEL_NOT_FOUND` where
 * `model_id` is not served or several models are and none is named, and the signal's reason.
 */
export async function probeEndpoint(options: ProbeEndpointOptions): Promise<EndpointProbe> {
  const { environment, secret = secretResolver(environment), signal = new AbortController().signal } = options;
  const spec = checked(options.llm);
  const address = endpointAddress(options.llm.base_url);
  const request = requestHeaders(spec, address, secret);
  const client = new HttpClient({
    endpoint: address.name,
    origin: address.origin,
    connections: 1,
    idleTimeoutMs: TIMEOUT_MS,
    shortestTimeoutMs: TIMEOUT_MS,
    environment,
  });
  const asked: AskedServer = { address, request, client, timeoutMs: TIMEOUT_MS };
  const { model_id: modelId, generation_kwargs: generationKwargs } = spec;
  const wanted = { endpoint: address.name, modelId, generationKwargs };
  try {
    const recognised = await recogniseServer(asked, wanted, signal);
    const server = await askDetails(asked, recognised, { wanted, signal });
    return {
      version: 1,
      endpoint: address.name,
      server: server.server,
      serverVersion: server.version,
      model: server.model,
      revision: server.revision,
      limits: server.limits,
      routes: routesOf(server.server, address),
      latencyMs: await timeOneGet(asked, signal),
      advice: probeAdvice(server, { modelId, generationKwargs }),
    };
  } finally {
    await client.close();
  }
}

function checked(llm: ProbedLLM): LLMSpec {
  const { base_url: baseUrl } = llm;
  // The URL is not repeated: it may hold a password.
  if (!URL.canParse(baseUrl) || !/^https?:$/.test(new URL(baseUrl).protocol)) {
    throw new TidingError("SPEC_INVALID", "The endpoint's URL must begin with http:// or https:// and name a host.", {
      place: "base_url",
      mend: "Write it as http://127.0.0.1:8080 or https://host/v1.",
    });
  }
  const parsed = LLMSpec.safeParse(llm);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TidingError("SPEC_INVALID", `What is to be asked is not valid: ${issue?.message ?? "no llm"}.`, {
    place: issue?.path.join(".") ?? "llm",
    mend: "Write it as a spec's `llm` has it.",
    cause: parsed.error,
  });
}
