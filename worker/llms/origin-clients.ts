import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import { clientFor } from "./endpoint.ts";
import type { HttpClient, ProxyEnvironment } from "./http-client.ts";

/** The connections of an endpoint whose calls go to hosts that are found out on the way: a set for each, made once. */
export class OriginClients {
  readonly #spec: LLMSpec;
  readonly #name: string;
  readonly #environment: ProxyEnvironment;
  readonly #clients = new Map<string, HttpClient>();
  readonly #closing = new AbortController();

  /** @param name of the endpoint, in errors */
  constructor(spec: LLMSpec, name: string, environment: ProxyEnvironment) {
    this.#spec = spec;
    this.#name = name;
    this.#environment = environment;
  }

  /** Throws an `AbortError` after `close`. */
  to(origin: string): HttpClient {
    this.#closing.signal.throwIfAborted();
    const client = this.#clients.get(origin) ?? clientFor(this.#spec, { name: this.#name, origin }, this.#environment);
    this.#clients.set(origin, client);
    return client;
  }

  /** Ends what is in flight. */
  async close(): Promise<void> {
    this.#closing.abort(new DOMException(`The endpoint ${this.#name} was closed.`, "AbortError"));
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }
}
