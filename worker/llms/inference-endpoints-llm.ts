/**
 * The client for inference endpoints: TGI, vLLM, SGLang, llama.cpp, gateways and other containers.
 *
 * The wire follows from what is given: a prompt, or a conversation where a renderer makes prompts of them, takes the
 * endpoint's prompt wire (endpoint-wires.ts); any other conversation takes OpenAI chat.
 */
import { isTidingError, messageOf, TidingError } from "../../shared/errors.ts";
import { rendersPrompts } from "../../shared/spec/check-endpoint.ts";
import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import type { Generation, LLMInput, StructuredOutput } from "../../shared/task/task.ts";
import { checkBody } from "./body-limit.ts";
import type { ResponseContext } from "./classify-response.ts";
import type { Endpoint, EndpointContext, FoundServer } from "./endpoint.ts";
import type { HttpAnswer, HttpClient, HttpRequest } from "./http-client.ts";
import { LibraryCalls, writesUser } from "./library-calls.ts";
import type { GeneratedOutputs, GenerateOutputsOptions, LibraryGenerateOptions } from "./library-calls.ts";
import { LLM } from "./llm.ts";
import type { LLMCall, ServedModel } from "./llm.ts";
import { checkedOptions } from "./llm-options.ts";
import type { CallSettings, InferenceEndpointsLLMOptions } from "./llm-options.ts";
import { openEndpoints } from "./open-endpoints.ts";
import { openPromptRenderer } from "./prompts/open-prompt-renderer.ts";
import { checkRoom, promptOf } from "./prompts/prompt-of-call.ts";
import type { PromptRenderer } from "./prompts/prompt-renderer.ts";
import { chatAdvice } from "./recognise-server.ts";
import { TextStream } from "./text-stream.ts";
import { unlessAborted } from "./unless-aborted.ts";
import type { EndpointWires, WireInUse } from "./wires/endpoint-wires.ts";
import type { PreparedShape, ShapeCache, ShapeKey } from "./wires/shape-cache.ts";
import type { CallShape, Wire } from "./wires/wire.ts";

/** What the engine constructs it with, beside a spec that has been checked. */
export interface InferenceEndpointsContext extends EndpointContext {
  /** Makes prompts of conversations; where there is none, the server's chat route does. */
  readonly renderer?: PromptRenderer | null;
  /** Brings a request's answer in place of the endpoint's connections. */
  readonly send?: RequestSender;
}

export type RequestSender = (client: HttpClient, request: HttpRequest) => Promise<HttpAnswer>;

/** One answer taken text by text; what is absent is as in the spec. */
export interface StreamOptions {
  /** One of `endpoints`; the first when absent. */
  readonly endpoint?: string;
  /** Laid over the spec's `generation_kwargs`. */
  readonly generationKwargs?: Readonly<Record<string, unknown>>;
  /** Null for an answer in any form. */
  readonly structuredOutput?: StructuredOutput | null;
  readonly preQuery?: boolean;
  /** 0 to 2^53-1; that of the parameters when absent, or 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** An endpoint with what was found behind it last. */
interface EndpointInUse {
  readonly endpoint: Endpoint;
  found: FoundServer | null;
  finding: Promise<FoundServer> | null;
}

/** Where a job says nothing of it, because there is none. */
const DEFAULT_CALLS: CallSettings = { attempts: 6, endpointWaitMs: 900_000, structuredRetries: 2 };

export class InferenceEndpointsLLM extends LLM implements AsyncDisposable {
  readonly #spec: LLMSpec;
  readonly #endpoints: ReadonlyMap<string, EndpointInUse>;
  readonly #openRenderer: (signal: AbortSignal) => Promise<PromptRenderer | null>;
  readonly #callSettings: CallSettings;
  readonly #send: RequestSender;
  readonly #closing = new AbortController();
  #rendering: Promise<PromptRenderer | null> | null = null;
  #renderer: PromptRenderer | null = null;
  #calls: LibraryCalls | null = null;

  /**
   * For a program: `options` by distilabel's names, checked as a spec is. Nothing is asked or read before `load`.
   * Throws `SPEC_INVALID`, `NOT_BUILT` and `SECRET_MISSING`.
   */
  constructor(options?: InferenceEndpointsLLMOptions);
  /** For the engine: a spec that has been checked, in which secrets are references. */
  constructor(spec: LLMSpec, context: InferenceEndpointsContext);
  constructor(given: InferenceEndpointsLLMOptions | LLMSpec = {}, context: InferenceEndpointsContext | null = null) {
    super();
    this.#send = context?.send ?? ((client, request) => client.send(request));
    if (context === null) {
      const options = checkedOptions(given);
      this.#spec = options.spec;
      this.#callSettings = options.calls;
      this.#openRenderer = (signal) => rendererOf(options, signal);
      this.#endpoints = inUse(openEndpoints(options.spec, options));
    } else {
      this.#spec = given as LLMSpec;
      this.#callSettings = DEFAULT_CALLS;
      this.#openRenderer = () => Promise.resolve(context.renderer ?? null);
      this.#endpoints = inUse(openEndpoints(this.#spec, context));
    }
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
    const found = await this.#find(this.#endpoint(name), AbortSignal.any([signal, this.#closing.signal]));
    const { server, model, revision, maxConcurrentRequests: most } = found.server;
    const advice = this.#adviceOn(found);
    return {
      server,
      model,
      revision,
      ...(most === undefined ? {} : { maxConcurrentRequests: most }),
      ...(advice.length === 0 ? {} : { advice }),
    };
  }

  /**
   * Finds the endpoint, its model and, with `tokenizer_id`, the tokenizer; waits for an endpoint that is not there yet. The
   * methods below do so by themselves. Resolves with what each endpoint serves, and what there is to know of it. Throws
   * `NO_ENDPOINT`, `MODEL_NOT_FOUND`, `UNAUTHORIZED`, `ENDPOINT_NOT_RUNNING`, `TOKENIZER_UNUSABLE`, the signal's reason.
   */
  async load(signal: AbortSignal = this.#closing.signal): Promise<readonly ServedModel[]> {
    return await this.#library().load(signal);
  }

  /** One answer, with as many requests as it takes. Throws a `TidingError` whose class is `row` where nothing else is wrong. */
  async generate(input: LLMInput, options: LibraryGenerateOptions = {}): Promise<Generation> {
    return await this.#library().generate(input, options);
  }

  /**
   * `num_generations` answers to each input, at most `slots` requests at a time at each endpoint. A generation that failed
   * is null, with its error. Throws as `load` does, and what stops every call alike, where nothing came out.
   */
  async generateOutputs(options: GenerateOutputsOptions): Promise<GeneratedOutputs[]> {
    return await this.#library().generateOutputs(options);
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
    const { preQuery = writesUser(this.#spec, input), signal = null } = options;
    const ownForm = preQuery ? null : (this.#spec.structured_output ?? null);
    const structuredOutput = options.structuredOutput === undefined ? ownForm : options.structuredOutput;
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
    this.#closing.abort(new DOMException("The LLM was closed.", "AbortError"));
    const calls = this.#calls;
    this.#calls = null;
    // They close the LLM in turn.
    if (calls !== null) return await calls[Symbol.asyncDispose]();
    await Promise.all([...this.#endpoints.values()].map(({ endpoint }) => endpoint.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #answer(call: LLMCall, onText: ((text: string) => void) | null): Promise<Generation> {
    const endpoint = this.#endpoint(call.endpoint);
    const { address, server, wires, request, client, errorOf } =
      endpoint.found ?? (await this.#findOnce(endpoint, call.signal));
    const renderer = this.#renderer;
    let message: Message;
    try {
      const prompt = promptOf(call, { wire: wires.prompt?.wire ?? null, renderer });
      const checking = prompt === null ? null : checkRoom(prompt, call, { server, renderer });
      if (checking !== null) await checking;
      const chosen = (prompt === null ? null : wires.prompt) ?? wires.chat;
      message = messageOver(chosen, call, { prompt, stream: this.#spec.stream || onText !== null });
      checkBody(message.body, server, this.#spec);
    } catch (error) {
      if (isTidingError(error)) error.isUnsent = true;
      throw error;
    }
    const { wire, shape, body } = message;
    // With the call's own input: a server's echo of what a template added gives nothing away.
    const context: ResponseContext = {
      endpoint: address,
      model: server.model,
      input: call.input,
      secrets: request.secrets,
      service: wire.service,
    };
    const reader = shape.stream ? wire.openStream(context, onText ?? undefined) : null;
    const answer = await this.#send(client, {
      method: "POST",
      path: wire.path(shape.stream),
      headers: request.headers,
      body,
      signal: call.signal,
      timeoutMs: this.#spec.request_timeout,
      reader,
    });
    if (answer.status !== 200) throw await errorOf(answer, context, call.signal);
    // A server that knows no streams answers in one piece.
    return answer.isStreamed && reader !== null ? reader.end() : wire.read(answer, context, shape);
  }

  #endpoint(name: string): EndpointInUse {
    const endpoint = this.#endpoints.get(name);
    if (endpoint === undefined) throw new TidingError("INTERNAL", `No endpoint ${name} here.`);
    return endpoint;
  }

  #library(): LibraryCalls {
    if (this.#closing.signal.aborted) {
      throw new TidingError("USAGE", "The LLM was closed.", { mend: "Construct another one." });
    }
    this.#calls ??= new LibraryCalls(this, this.#spec, this.#callSettings);
    return this.#calls;
  }

  /** For calls before any probe: one of them asks, and all wait for it. */
  #findOnce(endpoint: EndpointInUse, signal: AbortSignal): Promise<FoundServer> {
    endpoint.finding ??= this.#find(endpoint, this.#closing.signal).finally(() => {
      endpoint.finding = null;
    });
    return unlessAborted(endpoint.finding, signal);
  }

  async #find(endpoint: EndpointInUse, signal: AbortSignal): Promise<FoundServer> {
    this.#renderer = await unlessAborted(this.#renderOnce(), signal);
    const found = await endpoint.endpoint.find({ turnEnds: this.#renderer?.stopSequences ?? [], signal });
    requireTexts(found);
    this.#requireForm(found);
    endpoint.found = found;
    return found;
  }

  /** Throws `SPEC_INVALID` for a form of the spec's own that the server cannot be asked for. */
  #requireForm({ wires }: FoundServer): void {
    const { structured_output: structuredOutput, generation_kwargs: generationKwargs, stream } = this.#spec;
    if (structuredOutput === undefined) return;
    const { shapes } = this.#promptWire(wires) ?? wires.chat;
    shapes.get({ generationKwargs, structuredOutput, preQuery: false }, stream);
  }

  #adviceOn({ server, wires }: FoundServer): readonly string[] {
    const { generation_kwargs: kwargs } = this.#spec;
    const ofWire = this.#promptWire(wires)?.wire.advice(kwargs) ?? chatAdvice(server, kwargs);
    return [...(server.advice ?? []), ...(this.#renderer?.advice ?? []), ...ofWire];
  }

  /** The wire of conversations that are rendered here; null where they take the chat route. */
  #promptWire({ prompt }: EndpointWires): EndpointWires["prompt"] {
    return this.#renderer === null ? null : prompt;
  }

  #renderOnce(): Promise<PromptRenderer | null> {
    this.#rendering ??= this.#openRenderer(this.#closing.signal).catch((error: unknown) => {
      this.#rendering = null;
      throw error;
    });
    return this.#rendering;
  }
}

/** What a call sends, over which wire, in which shape. */
interface Message {
  readonly wire: Wire<LLMInput>;
  readonly shape: CallShape;
  readonly body: string;
}

/** Throws `ROW_INVALID` for a form that the server cannot be asked for, and for a conversation that JSON cannot hold. */
function messageOver(
  { wire, shapes }: WireInUse<LLMInput>,
  call: LLMCall,
  { prompt, stream }: { readonly prompt: string | null; readonly stream: boolean },
): Message {
  const { shape, head } = shapeOf(shapes, call, stream);
  try {
    return { wire, shape, body: wire.body(head, prompt ?? messagesOf(call.input), call.seed) };
  } catch (error) {
    throw new TidingError("ROW_INVALID", `The conversation cannot be written as JSON: ${messageOf(error)}.`, {
      mend: "Take out of `messages` what is no text: an integer beyond 2^53-1, for one.",
      cause: error,
    });
  }
}

/** Throws `SPEC_INVALID` for a server that writes none. */
function requireTexts({ address, server }: FoundServer): void {
  if (server.server !== "tei") return;
  throw new TidingError("SPEC_INVALID", `${address} is Text Embeddings Inference, which writes no texts.`, {
    place: "base_url",
    mend: "Give the address of a server for texts, or use the task generate-embeddings.",
  });
}

/** The spec's own form was asked for when the server was found: what is refused here is a row's. Throws `ROW_INVALID`. */
function shapeOf(shapes: ShapeCache, key: ShapeKey, stream: boolean): PreparedShape {
  try {
    return shapes.get(key, stream);
  } catch (error) {
    if (!isTidingError(error) || error.code !== "SPEC_INVALID") throw error;
    const { message, mend } = error;
    throw new TidingError("ROW_INVALID", message, { ...(mend === undefined ? {} : { mend }), cause: error });
  }
}

/** Null where the server renders prompts. */
async function rendererOf(
  { spec, folder, environment }: ReturnType<typeof checkedOptions>,
  signal: AbortSignal,
): Promise<PromptRenderer | null> {
  const { tokenizer_id: tokenizerId, magpie_pre_query_template: preQueryTemplate = null } = spec;
  return tokenizerId === undefined || !rendersPrompts(spec)
    ? null
    : await openPromptRenderer({ tokenizerId, preQueryTemplate, folder, environment, signal });
}

/** A text goes over a chat route as the user's message. */
function messagesOf(input: LLMInput): LLMInput {
  return typeof input === "string" ? [{ role: "user", content: input }] : input;
}

function inUse(endpoints: readonly Endpoint[]): ReadonlyMap<string, EndpointInUse> {
  return new Map(endpoints.map((endpoint) => [endpoint.name, { endpoint, found: null, finding: null }]));
}
