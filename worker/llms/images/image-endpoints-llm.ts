/**
 * The client for endpoints that make images: of `InferenceEndpointsLLM` it has the endpoints, the keys and the errors, and
 * a wire of its own. A prompt goes out, one image comes back.
 */
import { TidingError } from "../../../shared/errors.ts";
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import type { Generation, LLMInput } from "../../../shared/task/task.ts";
import type { ResponseContext } from "../classify-response.ts";
import type { EndpointContext } from "../endpoint.ts";
import { LLM } from "../llm.ts";
import type { LLMCall, ServedModel } from "../llm.ts";
import { fetchImage } from "./fetch-image.ts";
import { readImageAnswer } from "./image-answer.ts";
import { openImageEndpoints } from "./image-endpoint.ts";
import type { FoundImageServer, ImageEndpoint } from "./image-endpoint.ts";

/** An endpoint with what was found behind it last. */
interface EndpointInUse {
  readonly endpoint: ImageEndpoint;
  found: FoundImageServer | null;
}

export class ImageEndpointsLLM extends LLM {
  readonly #spec: LLMSpec;
  readonly #context: EndpointContext;
  readonly #endpoints: ReadonlyMap<string, EndpointInUse>;
  /** False where the spec takes the seed out with a null, for servers that know none. */
  readonly #takesSeed: boolean;
  readonly #closing = new AbortController();

  /** The spec has been checked, and its secrets are references. Throws `SPEC_INVALID` and `SECRET_MISSING`. */
  constructor(spec: LLMSpec, context: EndpointContext) {
    super();
    this.#spec = spec;
    this.#context = context;
    this.#takesSeed = spec.generation_kwargs["seed"] !== null;
    const endpoints = openImageEndpoints(spec, context);
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

  override async call(call: LLMCall): Promise<Generation> {
    const { signal, seed, generationKwargs } = call;
    const endpoint = this.#endpoint(call.endpoint);
    const prompt = promptOf(call);
    const { address, server, wire, request, client, errorOf } = endpoint.found ?? (await this.#find(endpoint, signal));
    const context: ResponseContext = {
      endpoint: address,
      model: server.model,
      input: call.input,
      secrets: request.secrets,
      service: wire.service,
    };
    const answer = await client.send({
      method: "POST",
      path: wire.path,
      headers: { ...request.headers, ...wire.headers },
      body: wire.body(prompt, this.#takesSeed ? { ...generationKwargs, seed } : generationKwargs),
      signal,
      timeoutMs: this.#spec.request_timeout,
      reader: null,
    });
    // Providers for whom an image is a thing created say so.
    if (answer.status !== 200 && answer.status !== 201) throw await errorOf(answer, context, signal);
    const { image, text, inputTokens, outputTokens } = readImageAnswer(answer, context);
    return {
      text,
      image: image instanceof URL ? await this.#fetch(image, address, signal) : image,
      reasoning: null,
      finishReason: "stop",
      inputTokens,
      outputTokens,
      model: server.model,
    };
  }

  /** Ends what is in flight. */
  override async close(): Promise<void> {
    this.#closing.abort(new DOMException("The LLM was closed.", "AbortError"));
    await Promise.all([...this.#endpoints.values()].map(({ endpoint }) => endpoint.close()));
  }

  #fetch(url: URL, endpoint: string, signal: AbortSignal): ReturnType<typeof fetchImage> {
    const { environment } = this.#context;
    const ending = AbortSignal.any([signal, this.#closing.signal]);
    return fetchImage(url, { endpoint, signal: ending, timeoutMs: this.#spec.request_timeout, environment });
  }

  #endpoint(name: string): EndpointInUse {
    const endpoint = this.#endpoints.get(name);
    if (endpoint === undefined) throw new TidingError("INTERNAL", `No endpoint ${name} here.`);
    return endpoint;
  }

  async #find(endpoint: EndpointInUse, signal: AbortSignal): Promise<FoundImageServer> {
    endpoint.found = await endpoint.endpoint.find(AbortSignal.any([signal, this.#closing.signal]));
    return endpoint.found;
  }
}

/** Throws `TASK_INVALID` for what no image can be made of. */
function promptOf({ input, structuredOutput, preQuery }: LLMCall): string {
  const prompt = textOf(input);
  if (prompt !== null && structuredOutput === null && !preQuery) return prompt;
  const what = prompt === null ? "a conversation" : "an answer of a form, or a message of the user,";
  const error = new TidingError(
    "TASK_INVALID",
    `The task makes images, and asked for ${what} in place of one prompt.`,
    {
      mend: "Call `llm.generate` with a text.",
    },
  );
  error.isUnsent = true;
  throw error;
}

function textOf(input: LLMInput): string | null {
  if (typeof input === "string") return input;
  const [message] = input;
  return input.length === 1 && typeof message?.content === "string" ? message.content : null;
}
