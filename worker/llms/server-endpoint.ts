/** The endpoint that a base URL names. */
import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import { askDetails, recogniseServer } from "./ask-server.ts";
import { classifyResponse } from "./classify-response.ts";
import type { EndpointAddress } from "./endpoint-address.ts";
import { clientFor, PROBE_TIMEOUT_MS } from "./endpoint.ts";
import type { Endpoint, EndpointContext, Finding, FoundServer } from "./endpoint.ts";
import type { HttpClient } from "./http-client.ts";
import { requestHeaders } from "./request-headers.ts";
import type { RequestHeaders } from "./request-headers.ts";
import { endpointWires } from "./wires/endpoint-wires.ts";

export class ServerEndpoint implements Endpoint {
  readonly address: EndpointAddress;
  readonly #spec: LLMSpec;
  readonly #request: RequestHeaders;
  readonly #client: HttpClient;

  /** `namedByHub`: Hugging Face said that this is its endpoint. Throws `SECRET_MISSING`. */
  constructor(
    spec: LLMSpec,
    address: EndpointAddress,
    { secret, environment, namedByHub = false }: EndpointContext & { readonly namedByHub?: boolean },
  ) {
    this.#spec = spec;
    this.address = address;
    this.#request = requestHeaders(spec, address, secret, { namedByHub });
    this.#client = clientFor(spec, address, environment);
  }

  get name(): string {
    return this.address.name;
  }

  async find({ turnEnds, signal }: Finding): Promise<FoundServer> {
    const { model_id, generation_kwargs, request_timeout, use_openai_client } = this.#spec;
    const { address } = this;
    const [request, client] = [this.#request, this.#client];
    const asked = { address, request, client, timeoutMs: Math.min(PROBE_TIMEOUT_MS, request_timeout) };
    const wanted = { endpoint: address.name, modelId: model_id, generationKwargs: generation_kwargs };
    const recognised = await recogniseServer(asked, wanted, signal);
    // Of vLLM alone the version decides what is sent: structured-fields.ts.
    const isVllm = recognised.server === "vllm";
    const server = isVllm ? await askDetails(asked, recognised, { wanted, signal }) : recognised;
    const wires = endpointWires(server, { address, turnEnds, isChatOnly: use_openai_client === true });
    return { address: address.name, server, wires, request, client, errorOf: classifyResponse };
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}
