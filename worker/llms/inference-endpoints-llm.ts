/** The client for OpenAI-compatible endpoints: TGI, vLLM, SGLang, llama.cpp and gateways. */
import { TidingError } from "../../shared/errors.ts";
import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import type { SecretResolver } from "../../shared/spec/loaded-spec.ts";
import type { ChatMessage, Generation, LLMInput } from "../../shared/task/task.ts";
import { classifyResponse } from "./classify-response.ts";
import type { ResponseContext } from "./classify-response.ts";
import { endpointAddress } from "./endpoint-address.ts";
import type { EndpointAddress } from "./endpoint-address.ts";
import { HttpClient } from "./http-client.ts";
import type { HttpAnswer, ProxyEnvironment } from "./http-client.ts";
import { LLM } from "./llm.ts";
import type { LLMCall, ServedModel } from "./llm.ts";
import { recogniseByModels, recogniseTgi, unknownServer } from "./recognise-server.ts";
import type { RecognisedServer, Wanted } from "./recognise-server.ts";
import { requestHeaders } from "./request-headers.ts";
import type { RequestHeaders } from "./request-headers.ts";
import { invalidAnswer, notJson } from "./wires/answer-parts.ts";
import { openAIChat } from "./wires/openai-chat.ts";
import { bodyHead } from "./wires/wire.ts";
import type { Wire } from "./wires/wire.ts";

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
  chat: CachedWire<readonly ChatMessage[]> | null;
}

/** A wire with the head of its last body: one shape serves nearly all calls. */
interface CachedWire<Input extends LLMInput> {
  readonly wire: Wire<Input>;
  shape: Pick<LLMCall, "generationKwargs" | "structuredOutput"> | null;
  head: string;
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
        chat: null,
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
    if (typeof call.input === "string" || call.preQuery) {
      throw new TidingError("NOT_BUILT", "Prompts that are rendered here are not built yet.");
    }
    const { request, client } = endpoint;
    endpoint.chat ??= { wire: openAIChat(server, endpoint.address.chatPath), shape: null, head: "" };
    const { wire } = endpoint.chat;
    const { stream: isStreamed, request_timeout: timeoutMs } = this.#spec;
    const context = contextFor(endpoint, server.model, call.input);
    const reader = isStreamed ? wire.openStream(context) : null;
    const answer = await client.send({
      method: "POST",
      path: wire.path(isStreamed),
      headers: request.headers,
      body: wire.body(headFor(endpoint.chat, call, isStreamed), call.input, call.seed),
      signal: call.signal,
      timeoutMs,
      reader,
    });
    if (answer.status !== 200) throw classifyResponse(answer, context);
    // A server that knows no streams answers in one piece.
    return answer.isStreamed && reader !== null ? reader.end() : wire.read(answer, context);
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
    endpoint.chat = null;
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

function headFor<Input extends LLMInput>(cached: CachedWire<Input>, call: LLMCall, stream: boolean): string {
  const { generationKwargs, structuredOutput } = call;
  if (cached.shape?.generationKwargs !== generationKwargs || cached.shape.structuredOutput !== structuredOutput) {
    cached.head = bodyHead(cached.wire.fields({ generationKwargs, structuredOutput, stream }));
    cached.shape = { generationKwargs, structuredOutput };
  }
  return cached.head;
}

function contextFor({ address, request }: Endpoint, model: string | null, input: LLMInput): ResponseContext {
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
