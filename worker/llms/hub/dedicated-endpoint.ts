/**
 * An endpoint that Hugging Face knows by name. It is looked up each time that it is probed, so that waiting for it to
 * start, and finding it again after it moved, is the gateway's waiting for an endpoint that is down.
 */
import { isTidingError, TidingError } from "../../../shared/errors.ts";
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import { classifyResponse } from "../classify-response.ts";
import { endpointAddress } from "../endpoint-address.ts";
import type { Endpoint, EndpointContext, Finding, FoundServer } from "../endpoint.ts";
import type { RecognisedServer } from "../recognise-server.ts";
import { ServerEndpoint } from "../server-endpoint.ts";
import { EndpointsApi } from "./endpoints-api.ts";
import type { EndpointId, EndpointRecord } from "./endpoints-api.ts";
import { HubClient, hubAddress, hubKey } from "./hub-client.ts";

/** Where endpoints are looked at and resumed by hand. */
const CONSOLE = "https://endpoints.huggingface.co";

export class DedicatedEndpoint implements Endpoint {
  readonly name: string;
  readonly #spec: LLMSpec;
  readonly #context: EndpointContext;
  readonly #api: EndpointsApi;
  #id: EndpointId | null;
  #server: ServerEndpoint | null = null;
  /** What is in flight to an address that it moved from may still be answered. */
  readonly #former: ServerEndpoint[] = [];

  /** Throws `SECRET_MISSING`, and `SPEC_INVALID` for addresses of Hugging Face's services that are none. */
  constructor(spec: LLMSpec, context: EndpointContext) {
    const { endpoint_name: name = "", endpoint_namespace: namespace } = spec;
    this.#spec = spec;
    this.#context = context;
    this.#id = namespace === undefined ? null : { namespace, name };
    this.name = namespace === undefined ? name : `${namespace}/${name}`;
    hubAddress("endpoints", context.environment);
    this.#api = new EndpointsApi(new HubClient(hubKey(spec, context), context.environment));
  }

  /** Also throws `ENDPOINT_NOT_RUNNING` where waiting is no use, and `ENDPOINT_LOADING` where it is. */
  async find(finding: Finding): Promise<FoundServer> {
    const record = await this.#lookUp(finding.signal);
    const server = this.#serverAt(urlOf(record));
    try {
      const found = await server.find(finding);
      return {
        ...found,
        server: this.#named(found.server, record),
        errorOf: (answer, context) => wakingError(classifyResponse(answer, context), this.name),
      };
    } catch (error) {
      throw isTidingError(error) ? wakingError(error, this.name) : error;
    }
  }

  async close(): Promise<void> {
    const servers = this.#server === null ? this.#former : [this.#server, ...this.#former];
    await Promise.all(servers.map((server) => server.close()));
  }

  async #lookUp(signal: AbortSignal): Promise<EndpointRecord> {
    const { endpoint_name: name = "" } = this.#spec;
    this.#id ??= { namespace: await this.#api.ownNamespace(signal), name };
    const record = await this.#api.getEndpoint(this.#id, signal);
    if (record !== null) return record;
    const { namespace } = this.#id;
    throw new TidingError("ENDPOINT_NOT_RUNNING", `Hugging Face knows no endpoint ${name} of ${namespace}.`, {
      place: this.name,
      mend: `See ${CONSOLE}/${namespace} for the names, set endpoint_namespace to their owner, and see that the token may read them.`,
    });
  }

  #serverAt(url: string): ServerEndpoint {
    const address = endpointAddress(url);
    if (this.#server?.name === address.name) return this.#server;
    if (this.#server !== null) this.#former.push(this.#server);
    this.#server = new ServerEndpoint(this.#spec, address, { ...this.#context, namedByHub: true });
    return this.#server;
  }

  /** The server itself often knows its model as a folder only. */
  #named(server: RecognisedServer, { repository, revision }: EndpointRecord): RecognisedServer {
    const advice =
      this.#spec.base_url === undefined
        ? server.advice
        : [...(server.advice ?? []), "base_url is not used: endpoint_name says which endpoint is called."];
    return {
      ...server,
      ...(repository === null ? {} : { model: repository, revision: revision ?? server.revision }),
      ...(advice === undefined ? {} : { advice }),
    };
  }
}

/** Throws where there is nothing to call. */
function urlOf({ namespace, name, state, url }: EndpointRecord): string {
  const title = `${namespace}/${name}`;
  const page = `${CONSOLE}/${namespace}/endpoints/${name}`;
  const stopped = (what: string, mend: string): TidingError =>
    new TidingError("ENDPOINT_NOT_RUNNING", `The endpoint ${title} ${what}.`, { place: title, mend });
  switch (state) {
    case "paused":
      throw stopped(
        "is paused",
        `Resume it at ${page}, or with \`hf endpoints resume ${name} --namespace ${namespace}\`.`,
      );
    case "failed":
    case "updateFailed":
      throw stopped(
        state === "failed" ? "failed to start" : "could not be updated",
        `See its log at ${page}, and correct it there.`,
      );
    case "scaledToZero":
      // The first request wakes it.
      if (url === null) throw stopped("is scaled to zero and has no URL to wake it by", `Start it at ${page}.`);
      return url;
    case "running":
      if (url !== null) return url;
      break;
    default:
      break;
  }
  throw new TidingError("ENDPOINT_LOADING", `The endpoint ${title} is not ready yet (${state}).`, { place: title });
}

/** Before its containers stand, Hugging Face's proxy answers in their place. */
function wakingError(error: TidingError, name: string): TidingError {
  const { status } = error.details;
  if (error.code !== "ENDPOINT_ERROR" || (status !== 502 && status !== 503)) return error;
  return new TidingError("ENDPOINT_LOADING", `The endpoint ${name} is starting (${status}).`, {
    place: name,
    details: { status },
    cause: error,
  });
}
