/** The client for OpenAI-compatible endpoints: TGI, vLLM, SGLang, llama.cpp and gateways. */
import { TidingError } from "../../shared/errors.ts";
import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import type { SecretResolver } from "../../shared/spec/loaded-spec.ts";
import type { ChatMessage, Generation } from "../../shared/task/task.ts";
import { ChatStream } from "./chat-stream.ts";
import { classifyResponse } from "./classify-response.ts";
import type { ResponseContext } from "./classify-response.ts";
import { endpointAddress } from "./endpoint-address.ts";
import type { EndpointAddress } from "./endpoint-address.ts";
import { HttpClient } from "./http-client.ts";
import type { HttpAnswer, ProxyEnvironment } from "./http-client.ts";
import { LLM } from "./llm.ts";
import type { LLMCall, ServedModel } from "./llm.ts";
import { chatBody, chatBodyHead, chatFields, invalidAnswer, notJson, readChatAnswer } from "./openai-chat.ts";
import type { ChatFields } from "./openai-chat.ts";
import { recogniseByModels, recogniseTgi, unknownServer } from "./recognise-server.ts";
import type { RecognisedServer, Wanted } from "./recognise-server.ts";
import { requestHeaders } from "./request-headers.ts";
import type { RequestHeaders } from "./request-headers.ts";

export interface InferenceEndpointsLLMOptions {
  readonly secret: SecretResolver;
  readonly environment: ProxyEnvironment;
}

/** More connections than slots: probes, and streams whose end trails behind their answer. */
const SPARE_CONNECTIONS = 8;
/** A server that lists its models does so at once, even under load. */
const PROBE_TIMEOUT_MS = 10_000;
/** Set by the engine; from a spec they would break the reading of answers or throw away paid ones. */
const RESERVED = ["messages", "model", "n", "prompt", "stream", "stream_options"];

interface Endpoint {
  readonly address: EndpointAddress;
  readonly request: RequestHeaders;
  readonly client: HttpClient;
  server: RecognisedServer | null;
  recognising: Promise<RecognisedServer> | null;
  /** The last call's kwargs and what became of them: one object serves nearly all calls. */
  kwargs: ChatFields | null;
  bodyHead: string;
}

export class InferenceEndpointsLLM extends LLM {
  readonly #spec: LLMSpec;
  readonly #endpoints = new Map<string, Endpoint>();

  /** Throws `SPEC_INVALID`, `NOT_BUILT` and `SECRET_MISSING`. */
  constructor(spec: LLMSpec, { secret, environment }: InferenceEndpointsLLMOptions) {
    super();
    this.#spec = spec;
    if (spec.base_url === undefined) {
      throw new TidingError("NOT_BUILT", "An llm without base_url is not built yet.", {
        place: "llm.base_url",
        mend: "Give the base_url of a server that speaks the OpenAI chat API.",
      });
    }
    const reserved = RESERVED.find((name) => spec.generation_kwargs[name] !== undefined);
    if (reserved !== undefined) {
      throw new TidingError("SPEC_INVALID", `generation_kwargs holds ${reserved}, which the engine sets itself.`, {
        place: `generation_kwargs.${reserved}`,
        mend: "Use model_id, stream or num_generations in its place.",
      });
    }
    for (const baseUrl of [spec.base_url].flat()) {
      const address = endpointAddress(baseUrl);
      const isTwice = [...this.#endpoints.values()].some(
        (other) =>
          other.address.name === address.name ||
          other.address.origin + other.address.chatPath === address.origin + address.chatPath,
      );
      if (isTwice) {
        throw new TidingError("SPEC_INVALID", `base_url names ${address.name} twice.`, {
          place: "base_url",
          mend: "Name each endpoint once and raise slots to send it more at a time.",
        });
      }
      const client = new HttpClient({
        endpoint: address.name,
        origin: address.origin,
        connections: spec.slots + SPARE_CONNECTIONS,
        idleTimeoutMs: spec.idle_timeout,
        shortestTimeoutMs: Math.min(spec.request_timeout, PROBE_TIMEOUT_MS),
        environment,
      });
      const request = requestHeaders(spec, address, secret);
      this.#endpoints.set(address.name, {
        address,
        request,
        client,
        server: null,
        recognising: null,
        kwargs: null,
        bodyHead: "",
      });
    }
  }

  override get modelName(): string {
    const { model_display_name, model_id } = this.#spec;
    return (
      model_display_name ??
      model_id ??
      [...this.#endpoints.values()].find(({ server }) => server !== null)?.server?.model ??
      "unknown"
    );
  }

  override get endpoints(): readonly string[] {
    return [...this.#endpoints.keys()];
  }

  /** Asks anew each time, and lets later calls follow what came. */
  override async probe(name: string, signal: AbortSignal): Promise<ServedModel> {
    const endpoint = this.#endpoint(name);
    const { isTgi: _isTgi, requestModel: _requestModel, ...served } = await this.#recognise(endpoint, signal);
    return served;
  }

  override async call(call: LLMCall): Promise<Generation> {
    const endpoint = this.#endpoint(call.endpoint);
    const server = endpoint.server ?? (await this.#recogniseOnce(endpoint));
    const { address, request, client } = endpoint;
    const context = contextFor(endpoint, server.model, call.input);
    const stream = this.#spec.stream ? new ChatStream(context) : null;
    const answer = await client.send({
      method: "POST",
      path: address.chatPath,
      headers: request.headers,
      body: chatBody(this.#bodyHeadFor(endpoint, server, call.generationKwargs), call.input, call.seed),
      signal: call.signal,
      timeoutMs: this.#spec.request_timeout,
      reader: stream,
    });
    if (answer.status !== 200) throw classifyResponse(answer, context);
    // A server that knows no streams answers in one piece.
    return answer.isStreamed && stream !== null ? stream.end() : readChatAnswer(answer, context);
  }

  /** Ends what is in flight. */
  override async close(): Promise<void> {
    await Promise.all([...this.#endpoints.values()].map(({ client }) => client.close()));
  }

  #endpoint(name: string): Endpoint {
    const endpoint = this.#endpoints.get(name);
    if (endpoint === undefined) throw new TidingError("INTERNAL", `No endpoint ${name} here.`);
    return endpoint;
  }

  #bodyHeadFor(endpoint: Endpoint, server: RecognisedServer, kwargs: ChatFields): string {
    if (endpoint.kwargs !== kwargs) {
      const { requestModel, isTgi } = server;
      endpoint.bodyHead = chatBodyHead(chatFields(kwargs, { model: requestModel, stream: this.#spec.stream, isTgi }));
      endpoint.kwargs = kwargs;
    }
    return endpoint.bodyHead;
  }

  /** For calls before any probe: one of them asks, and all wait for it. */
  #recogniseOnce(endpoint: Endpoint): Promise<RecognisedServer> {
    endpoint.recognising ??= this.#recognise(endpoint, new AbortController().signal).finally(() => {
      endpoint.recognising = null;
    });
    return endpoint.recognising;
  }

  async #recognise(endpoint: Endpoint, signal: AbortSignal): Promise<RecognisedServer> {
    const { address } = endpoint;
    const { model_id, generation_kwargs } = this.#spec;
    const wanted: Wanted = { endpoint: address.name, modelId: model_id, generationKwargs: generation_kwargs };
    const info = await this.#get(endpoint, address.infoPath, signal);
    const tgi = info.status === 200 ? recogniseTgi(jsonOf(info), wanted) : null;
    const server = tgi ?? (await this.#recogniseByModels(endpoint, wanted, signal));
    endpoint.server = server;
    endpoint.kwargs = null;
    return server;
  }

  async #recogniseByModels(endpoint: Endpoint, wanted: Wanted, signal: AbortSignal): Promise<RecognisedServer> {
    const answer = await this.#get(endpoint, endpoint.address.modelsPath, signal);
    if ([404, 405, 501].includes(answer.status)) return unknownServer(wanted.modelId);
    const context = contextFor(endpoint, wanted.modelId ?? null, []);
    if (answer.status !== 200) throw classifyResponse(answer, context);
    const list = jsonOf(answer);
    if (list === undefined) {
      throw new TidingError("WRONG_SERVICE", `${wanted.endpoint} sent the wrong content type: ${notJson(answer)}.`, {
        place: wanted.endpoint,
        mend: "See that base_url is the address of the model server, and not of a web page before it.",
        cause: invalidAnswer(notJson(answer), answer.text, { context }),
      });
    }
    return recogniseByModels(list, wanted) ?? unknownServer(wanted.modelId);
  }

  #get({ client, request }: Endpoint, path: string, signal: AbortSignal): Promise<HttpAnswer> {
    const timeoutMs = Math.min(PROBE_TIMEOUT_MS, this.#spec.request_timeout);
    return client.send({ method: "GET", path, headers: request.headers, body: null, signal, timeoutMs, reader: null });
  }
}

function contextFor(
  { address, request }: Endpoint,
  model: string | null,
  input: readonly ChatMessage[],
): ResponseContext {
  return { endpoint: address.name, model, input, secrets: request.secrets };
}

/** Undefined where the answer is no JSON. */
function jsonOf({ text }: HttpAnswer): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Web pages answer any path with HTML; the caller decides whether that matters.
    return undefined;
  }
}
