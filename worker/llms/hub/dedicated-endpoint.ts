/**
 * An endpoint that Hugging Face knows by name. It is looked up each time that it is probed, so that waiting for it to
 * start, and finding it again after it moved, is the gateway's waiting for an endpoint that is down.
 */
import { isTidingError, messageOf, TidingError } from "../../../shared/errors.ts";
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import { classifyResponse } from "../classify-response.ts";
import { endpointAddress } from "../endpoint-address.ts";
import type { Endpoint, EndpointContext, Finding, FoundServer } from "../endpoint.ts";
import type { RecognisedServer } from "../recognise-server.ts";
import { ServerEndpoint } from "../server-endpoint.ts";
import { unlessAborted } from "../unless-aborted.ts";
import { CONSOLE } from "./endpoint-errors.ts";
import { EndpointsApi } from "./endpoints-api.ts";
import type { EndpointId, EndpointRecord } from "./endpoints-api.ts";
import { HubClient, hubAddress, hubKey } from "./hub-client.ts";

export class DedicatedEndpoint implements Endpoint {
  readonly name: string;
  readonly #spec: LLMSpec;
  readonly #context: EndpointContext;
  readonly #api: EndpointsApi;
  #id: EndpointId | null;
  #server: ServerEndpoint | null = null;
  /** What is in flight to an address that it moved from may still be answered. */
  readonly #former: ServerEndpoint[] = [];
  readonly #closing = new AbortController();
  #lookingUp: Promise<EndpointRecord> | null = null;

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
        errorOf: (answer, context, signal) => this.#errorOf(classifyResponse(answer, context), { server, signal }),
      };
    } catch (error) {
      throw isTidingError(error) && mayBeProxy(error) ? wakingError(error, this.name) : error;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new DOMException(`The endpoint ${this.name} was closed.`, "AbortError"));
    const servers = this.#server === null ? this.#former : [this.#server, ...this.#former];
    await Promise.all(servers.map((server) => server.close()));
  }

  /**
   * 502 and 503 are Hugging Face's proxy in the place of an endpoint that sleeps or starts, or a server that stands and
   * that the row breaks: its state tells them apart. Where nobody tells it the row is charged, so that its attempts end.
   */
  async #errorOf(
    error: TidingError,
    { server, signal }: { readonly server: ServerEndpoint; readonly signal: AbortSignal },
  ): Promise<TidingError> {
    if (!mayBeProxy(error)) return error;
    try {
      const record = await unlessAborted(this.#lookUpOnce(), signal);
      const isThere = endpointAddress(urlOf(record)).name === server.name && record.state === "running";
      return isThere ? error : wakingError(error, this.name);
    } catch (thrown) {
      signal.throwIfAborted();
      const isVerdict = isTidingError(thrown) && ["ENDPOINT_NOT_RUNNING", "ENDPOINT_LOADING"].includes(thrown.code);
      return isVerdict ? thrown : withDoubt(error, thrown);
    }
  }

  /** One question for all who have it at the same time. */
  #lookUpOnce(): Promise<EndpointRecord> {
    this.#lookingUp ??= this.#lookUp(this.#closing.signal).finally(() => {
      this.#lookingUp = null;
    });
    return this.#lookingUp;
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
    this.#closing.signal.throwIfAborted();
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
        `Run \`tiding endpoints resume ${name} --namespace ${namespace}\`, or let a job do it: \`endpoint: { ensure: running }\`.`,
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
function mayBeProxy({ code, details: { status } }: TidingError): boolean {
  return code === "ENDPOINT_ERROR" && (status === 502 || status === 503);
}

function wakingError(error: TidingError, name: string): TidingError {
  const { details } = error;
  return new TidingError("ENDPOINT_LOADING", `The endpoint ${name} is starting (${details["status"]}).`, {
    place: name,
    details,
    cause: error,
  });
}

/** The server's error, with why it is not known whether it is the server's. */
function withDoubt(error: TidingError, cause: unknown): TidingError {
  const { code, message, place, details, retryAfterMs, rawResponse } = error;
  return new TidingError(code, `${message} Hugging Face does not say whether it runs: ${messageOf(cause)}`, {
    details,
    cause,
    ...(place === undefined ? {} : { place }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(rawResponse === undefined ? {} : { rawResponse }),
  });
}
