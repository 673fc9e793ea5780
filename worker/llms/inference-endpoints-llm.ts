/**
 * The client for inference endpoints: TGI, vLLM, SGLang, llama.cpp, gateways and other containers.
 *
 * The wire follows from what is given: a prompt, or a conversation where a renderer makes prompts of them, takes the
 * endpoint's prompt wire (endpoint-wires.ts); any other conversation takes OpenAI chat.
 */
import { TidingError } from "../../shared/errors.ts";
import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import type { SecretResolver } from "../../shared/spec/loaded-spec.ts";
import type { Generation, LLMInput, StructuredOutput } from "../../shared/task/task.ts";
import { askDetails, recogniseServer } from "./ask-server.ts";
import { classifyResponse } from "./classify-response.ts";
import type { ResponseContext } from "./classify-response.ts";
import { endpointAddress } from "./endpoint-address.ts";
import type { EndpointAddress } from "./endpoint-address.ts";
import { HttpClient } from "./http-client.ts";
import type { ProxyEnvironment } from "./http-client.ts";
import { LLM } from "./llm.ts";
import type { LLMCall, ServedModel } from "./llm.ts";
import type { RecognisedServer } from "./recognise-server.ts";
import type { PromptRenderer } from "./prompts/prompt-renderer.ts";
import { requestHeaders } from "./request-headers.ts";
import type { RequestHeaders } from "./request-headers.ts";
import { TextStream } from "./text-stream.ts";
import { endpointWires } from "./wires/endpoint-wires.ts";
import type { EndpointWires, WireInUse } from "./wires/endpoint-wires.ts";
import type { PromptWire } from "./wires/wire.ts";

export interface InferenceEndpointsLLMOptions {
  readonly secret: SecretResolver;
  readonly environment: ProxyEnvironment;
  /** Makes prompts of conversations; where there is none, the server's chat route does. */
  readonly renderer?: PromptRenderer | null;
}

/** One answer taken text by text; what is absent is as in the spec. */
export interface StreamOptions {
  /** One of `endpoints`; the first when absent. */
  readonly endpoint?: string;
  /** Laid over the spec's `generation_kwargs`. */
  readonly generationKwargs?: Readonly<Record<string, unknown>>;
  readonly structuredOutput?: StructuredOutput;
  readonly preQuery?: boolean;
  /** 0 to 2^53-1; that of the parameters when absent, or 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** More connections than slots: probes, and streams whose end trails behind their answer. */
const SPARE_CONNECTIONS = 8;
/** A server that lists its models does so at once, even under load. */
const PROBE_TIMEOUT_MS = 10_000;
/** Set by the engine; from a spec they would break the reading of answers or throw away paid ones. */
const RESERVED = [
  "best_of",
  "decoder_input_details",
  "details",
  "echo",
  "inputs",
  "messages",
  "model",
  "n",
  "prompt",
  "return_full_text",
  "stream",
  "stream_options",
];

interface Endpoint {
  readonly address: EndpointAddress;
  readonly request: RequestHeaders;
  readonly client: HttpClient;
  server: RecognisedServer | null;
  recognising: Promise<RecognisedServer> | null;
  wires: EndpointWires | null;
}

export class InferenceEndpointsLLM extends LLM {
  readonly #spec: LLMSpec;
  readonly #renderer: PromptRenderer | null;
  readonly #endpoints = new Map<string, Endpoint>();

  /** Throws `SPEC_INVALID`, `NOT_BUILT` and `SECRET_MISSING`. */
  constructor(spec: LLMSpec, { secret, environment, renderer = null }: InferenceEndpointsLLMOptions) {
    super();
    this.#spec = spec;
    this.#renderer = renderer;
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
      this.#endpoints.set(address.name, { address, request, client, server: null, recognising: null, wires: null });
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
    const recognised = await this.#recognise(endpoint, signal);
    const { server, model, revision, maxConcurrentRequests: most, advice = [] } = recognised;
    const more =
      this.#renderer === null ? [] : (endpoint.wires?.prompt.wire.advice(this.#spec.generation_kwargs) ?? []);
    return {
      server,
      model,
      revision,
      ...(most === undefined ? {} : { maxConcurrentRequests: most }),
      ...(recognised.advice === undefined && more.length === 0 ? {} : { advice: [...advice, ...more] }),
    };
  }

  override call(call: LLMCall): Promise<Generation> {
    return this.#answer(call, null);
  }

  /**
   * The answer's texts as they come; each loop over the result is a request of its own. Breaking out of it ends the
   * request and closes its connection, so that the server stops generating. Rejects as `call` does. No slot is taken and
   * nothing is tried again: that is the engine's, for `call`.
   */
  stream(input: LLMInput, options: StreamOptions = {}): AsyncIterable<string> {
    const { structuredOutput = null, preQuery = false, signal = null } = options;
    const own = this.#spec.generation_kwargs;
    const generationKwargs = options.generationKwargs === undefined ? own : { ...own, ...options.generationKwargs };
    const endpoint = options.endpoint ?? this.endpoints[0] ?? "";
    const seed = options.seed ?? (typeof generationKwargs["seed"] === "number" ? generationKwargs["seed"] : 0);
    const call = { input, endpoint, generationKwargs, structuredOutput, preQuery, seed };
    const ask = (ending: AbortSignal, onText: (text: string) => void): Promise<Generation> =>
      this.#answer({ ...call, signal: ending }, onText);
    return { [Symbol.asyncIterator]: () => new TextStream(ask, signal) };
  }

  /** Ends what is in flight. */
  override async close(): Promise<void> {
    await Promise.all([...this.#endpoints.values()].map(({ client }) => client.close()));
  }

  async #answer(call: LLMCall, onText: ((text: string) => void) | null): Promise<Generation> {
    const endpoint = this.#endpoint(call.endpoint);
    const server = endpoint.server ?? (await this.#recogniseOnce(endpoint));
    const { wires, address, request, client } = endpoint;
    if (wires === null) throw new TidingError("INTERNAL", `${call.endpoint} was recognised without its wires.`);
    const prompt = this.#promptFor(call, wires.prompt.wire);
    const checking = prompt === null ? null : this.#checkRoom(prompt, call, server);
    if (checking !== null) await checking;
    const { wire, shapes }: WireInUse<LLMInput> = prompt === null ? wires.chat : wires.prompt;
    const { shape, head } = shapes.get(call, this.#spec.stream || onText !== null);
    // With the call's own input: a server's echo of what a template added gives nothing away.
    const context: ResponseContext = {
      endpoint: address.name,
      model: server.model,
      input: call.input,
      secrets: request.secrets,
      service: wire.service,
    };
    const reader = shape.stream ? wire.openStream(context, onText ?? undefined) : null;
    const answer = await client.send({
      method: "POST",
      path: wire.path(shape.stream),
      headers: request.headers,
      body: wire.body(head, prompt ?? call.input, call.seed),
      signal: call.signal,
      timeoutMs: this.#spec.request_timeout,
      reader,
    });
    if (answer.status !== 200) throw classifyResponse(answer, context);
    // A server that knows no streams answers in one piece.
    return answer.isStreamed && reader !== null ? reader.end() : wire.read(answer, context, shape);
  }

  /** The prompt to send, or null where the server's chat route is to make one. Throws what the renderer throws. */
  #promptFor({ input, preQuery }: LLMCall, { addsSpecialTokens }: PromptWire): string | null {
    const renderer = this.#renderer;
    if (preQuery && renderer === null) {
      throw new TidingError("SPEC_INVALID", "No server writes a user's message over its chat route.", {
        place: "tokenizer_id",
        mend: "Set tokenizer_id to the model's repository or folder, so that its chat template is applied here.",
      });
    }
    if (typeof input === "string") return input;
    if (renderer === null) return null;
    const prompt = renderer.render(input, { preQuery });
    const { bosToken } = renderer;
    const isDoubled = addsSpecialTokens && bosToken !== null && prompt.startsWith(bosToken);
    return isDoubled ? prompt.slice(bosToken.length) : prompt;
  }

  /** A row that has no room fails here, before it is paid for. Without `max_new_tokens` the server gives what is left. */
  #checkRoom(prompt: string, { generationKwargs }: LLMCall, { limits }: RecognisedServer): Promise<void> | null {
    const { maxTotalTokens: contextTokens } = limits;
    if (this.#renderer === null || contextTokens === null) return null;
    const { max_new_tokens: most } = generationKwargs;
    return this.#renderer.checkRoom(prompt, { contextTokens, answerTokens: typeof most === "number" ? most : 1 });
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
    const { address, request, client } = endpoint;
    const { model_id, generation_kwargs, request_timeout } = this.#spec;
    const asked = { address, request, client, timeoutMs: Math.min(PROBE_TIMEOUT_MS, request_timeout) };
    const wanted = { endpoint: address.name, modelId: model_id, generationKwargs: generation_kwargs };
    const recognised = await recogniseServer(asked, wanted, signal);
    // Of vLLM alone the version decides what is sent: structured-fields.ts.
    const isVllm = recognised.server === "vllm";
    const server = isVllm ? await askDetails(asked, recognised, { wanted, signal }) : recognised;
    endpoint.server = server;
    endpoint.wires = endpointWires(server, { address, turnEnds: this.#renderer?.stopSequences ?? [] });
    return server;
  }
}
