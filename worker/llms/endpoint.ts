/** One endpoint of an LLM, as the way to a server that is found by asking. */
import type { TidingError } from "../../shared/errors.ts";
import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import type { SecretResolver } from "../../shared/spec/loaded-spec.ts";
import type { ResponseContext, ServerResponse } from "./classify-response.ts";
import { HttpClient } from "./http-client.ts";
import type { ProxyEnvironment } from "./http-client.ts";
import type { RecognisedServer } from "./recognise-server.ts";
import type { RequestHeaders } from "./request-headers.ts";
import type { EndpointWires } from "./wires/endpoint-wires.ts";

/** What endpoints are opened with. */
export interface EndpointContext {
  readonly secret: SecretResolver;
  /** For proxies, and the addresses of Hugging Face's services. */
  readonly environment: ProxyEnvironment;
}

export interface Finding {
  /** As in `EndpointWiresOptions`. */
  readonly turnEnds: readonly string[];
  readonly signal: AbortSignal;
}

export interface Endpoint {
  /** Safe to show, and told apart by it. */
  readonly name: string;
  /**
   * Asks anew each time. Throws what the server refuses with, errors of the connection, and `SPEC_INVALID` for what the
   * server cannot take of the spec.
   */
  find(finding: Finding): Promise<FoundServer>;
  /** Ends what is in flight. No connection is opened after it. */
  close(): Promise<void>;
}

/** A server that calls can be sent to. */
export interface FoundServer {
  /** For messages; the URL without credentials and query. */
  readonly address: string;
  readonly server: RecognisedServer;
  readonly wires: EndpointWires;
  readonly request: RequestHeaders;
  readonly client: HttpClient;
  /** What an answer whose status is not 200 stands for. May ask somebody else about it, until the signal's abort. */
  readonly errorOf: (
    answer: ServerResponse,
    context: ResponseContext,
    signal: AbortSignal,
  ) => TidingError | Promise<TidingError>;
}

/** More connections than slots: probes, and streams whose end trails behind their answer. */
const SPARE_CONNECTIONS = 8;
/** A server that lists its models does so at once, even under load. */
export const PROBE_TIMEOUT_MS = 10_000;

/** The connections of one endpoint, as many as its calls need. */
export function clientFor(
  spec: Pick<LLMSpec, "slots" | "idle_timeout" | "request_timeout">,
  { name, origin }: { readonly name: string; readonly origin: string },
  environment: ProxyEnvironment,
): HttpClient {
  return new HttpClient({
    endpoint: name,
    origin,
    connections: spec.slots + SPARE_CONNECTIONS,
    idleTimeoutMs: spec.idle_timeout,
    shortestTimeoutMs: Math.min(spec.request_timeout, PROBE_TIMEOUT_MS),
    environment,
  });
}
