/**
 * What the clients for images and for embeddings have in common: of `InferenceEndpointsLLM` they have the endpoints, the keys
 * and the errors, and a wire of their own. One text goes out, one thing comes back.
 */
import { TidingError } from "../../shared/errors.ts";
import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import type { ResponseContext } from "./classify-response.ts";
import type { DirectEndpoint, FoundDirectServer } from "./direct-endpoint.ts";
import type { ReceivedAnswer } from "./http-client.ts";
import { LLM } from "./llm.ts";
import type { LLMCall, ServedModel } from "./llm.ts";
import type { BodyFields } from "./wires/wire.ts";

/** An endpoint with what was found behind it last. */
interface EndpointInUse {
  readonly endpoint: DirectEndpoint;
  found: FoundDirectServer | null;
}

/** An answer that is none of the errors. */
export interface DirectAnswer {
  readonly answer: ReceivedAnswer;
  readonly context: ResponseContext;
  /** The name under which the model is served. */
  readonly model: string;
}

export abstract class DirectLLM extends LLM {
  readonly #spec: LLMSpec;
  readonly #endpoints: ReadonlyMap<string, EndpointInUse>;
  readonly #closing = new AbortController();

  constructor(spec: LLMSpec, endpoints: readonly DirectEndpoint[]) {
    super();
    this.#spec = spec;
    this.#endpoints = new Map(endpoints.map((endpoint) => [endpoint.name, { endpoint, found: null }]));
  }

  override get modelName(): string {
    const { model_display_name, model_id } = this.#spec;
    const found = [...this.#endpoints.values()].find((endpoint) => endpoint.found !== null)?.found;
    return model_display_name ?? model_id ?? found?.server.model ?? "unknown";
  }

  override get endpoints(): readonly string[] {
    return [...this.#endpoints.keys()];
  }

  /** Asks anew each time, and lets later calls follow what came. */
  override async probe(name: string, signal: AbortSignal): Promise<ServedModel> {
    const { server } = await this.#find(this.#endpoint(name), signal);
    const { model, revision, maxConcurrentRequests: most, advice } = server;
    return {
      server: server.server,
      model,
      revision,
      ...(most === undefined ? {} : { maxConcurrentRequests: most }),
      ...(advice === undefined ? {} : { advice }),
    };
  }

  /** Aborted by the call's signal, and by `close`. */
  protected ending(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#closing.signal]);
  }

  /** One request. Throws what an answer that is an error stands for. */
  protected async ask(call: LLMCall, text: string, parameters: BodyFields): Promise<DirectAnswer> {
    const { signal } = call;
    const endpoint = this.#endpoint(call.endpoint);
    const { address, server, wire, request, client, errorOf } = endpoint.found ?? (await this.#find(endpoint, signal));
    const { model } = server;
    const { secrets } = request;
    const context: ResponseContext = { endpoint: address, model, input: call.input, secrets, service: wire.service };
    const answer = await client.send({
      method: "POST",
      path: wire.path,
      headers: { ...request.headers, ...wire.headers },
      body: wire.body(text, parameters),
      signal,
      timeoutMs: this.#spec.request_timeout,
      reader: null,
    });
    // Providers for whom an answer is a thing created say 201.
    if (answer.status !== 200 && answer.status !== 201) throw await errorOf(answer, context, signal);
    return { answer, context, model };
  }

  /** Ends what is in flight. */
  override async close(): Promise<void> {
    this.#closing.abort(new DOMException("The LLM was closed.", "AbortError"));
    await Promise.all([...this.#endpoints.values()].map(({ endpoint }) => endpoint.close()));
  }

  #endpoint(name: string): EndpointInUse {
    const endpoint = this.#endpoints.get(name);
    if (endpoint === undefined) throw new TidingError("INTERNAL", `No endpoint ${name} here.`);
    return endpoint;
  }

  async #find(endpoint: EndpointInUse, signal: AbortSignal): Promise<FoundDirectServer> {
    endpoint.found = await endpoint.endpoint.find(this.ending(signal));
    return endpoint.found;
  }
}

/** Throws it as what was never sent: no verdict on an endpoint. */
export function refuseUnsent(message: string, mend: string): never {
  const error = new TidingError("TASK_INVALID", message, { mend });
  error.isUnsent = true;
  throw error;
}
