/** Hugging Face's services over HTTP: single questions, few and far between. */
import { TidingError } from "../../../shared/errors.ts";
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import { classifyResponse, serverWords } from "../classify-response.ts";
import type { ResponseContext } from "../classify-response.ts";
import type { EndpointContext } from "../endpoint.ts";
import { HttpClient } from "../http-client.ts";
import type { HttpAnswer, HttpRequest, ProxyEnvironment } from "../http-client.ts";
import { isRecord } from "../recognise-server.ts";
import { maySendKey } from "../request-headers.ts";

export type HubService = "hub" | "router" | "endpoints";

/** As huggingface_hub and @huggingface/inference have them; the variables after them lead elsewhere. */
const ADDRESSES: Readonly<Record<HubService, { readonly variable: string; readonly url: string }>> = {
  hub: { variable: "HF_ENDPOINT", url: "https://huggingface.co" },
  router: { variable: "HF_ROUTER_URL", url: "https://router.huggingface.co" },
  endpoints: { variable: "HF_ENDPOINTS_URL", url: "https://api.endpoints.huggingface.cloud/v2" },
};
/** What changes something; `body` is sent as JSON. */
export interface HubOrder {
  readonly method: "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  /** Of `body`: left out of what the service is quoted with. */
  readonly secrets?: readonly string[];
  readonly signal: AbortSignal;
}

type HttpOrder = Pick<HttpRequest, "method" | "body" | "signal">;

const TIMEOUT_MS = 30_000;
const REDIRECTS = 5;

/** Where a service is, without a slash at the end. Throws `SPEC_INVALID` for a variable that is no URL. */
export function hubAddress(service: HubService, environment: ProxyEnvironment): string {
  const { variable, url } = ADDRESSES[service];
  const own = environment[variable] ?? "";
  if (own === "") return url;
  if (URL.canParse(own) && /^https?:$/.test(new URL(own).protocol)) return own.replace(/\/+$/, "");
  throw new TidingError("SPEC_INVALID", `${variable} is no URL.`, {
    place: variable,
    mend: `Give an address with https://, or unset it for ${url}.`,
  });
}

export class HubClient {
  readonly #environment: ProxyEnvironment;
  readonly #token: string | null;

  /** `token` is Hugging Face's; null to ask as a visitor. */
  constructor(token: string | null, environment: ProxyEnvironment) {
    this.#token = token;
    this.#environment = environment;
  }

  /** Sent once, and to nowhere else: an order that is redirected is refused. Throws errors of the connection. */
  async order(service: HubService, { method, path, body, secrets = [], signal }: HubOrder): Promise<HubAnswer> {
    const url = new URL(hubAddress(service, this.#environment) + path);
    const text = body === undefined ? null : JSON.stringify(body);
    return this.#answerOf(url, await this.#send(url, { method, body: text, signal }), secrets);
  }

  /** The status that a page of an endpoint answers with, asked with the token. Throws errors of the connection. */
  async statusOf(url: URL, signal: AbortSignal): Promise<number> {
    return (await this.#send(url, { method: "GET", body: null, signal })).status;
  }

  /** Follows what moved within the service, as renamed repositories do. Throws errors of the connection. */
  async get(service: HubService, path: string, signal: AbortSignal): Promise<HubAnswer> {
    let url = new URL(hubAddress(service, this.#environment) + path);
    for (let hop = 0; ; hop++) {
      const answer = await this.#send(url, { method: "GET", body: null, signal });
      const next = redirectOf(answer, url);
      if (next === null || next.origin !== url.origin || hop === REDIRECTS) return this.#answerOf(url, answer, []);
      url = next;
    }
  }

  #answerOf(url: URL, answer: HttpAnswer, more: readonly string[]): HubAnswer {
    const secrets = [...(this.#token === null ? [] : [this.#token]), ...more].filter((secret) => secret !== "");
    return new HubAnswer(answer, { endpoint: url.host, model: null, input: [], secrets });
  }

  async #send(url: URL, { method, body, signal }: HttpOrder): Promise<HttpAnswer> {
    const token = maySendKey(url) ? this.#token : null;
    const client = new HttpClient({
      endpoint: url.host,
      origin: url.origin,
      connections: 1,
      idleTimeoutMs: TIMEOUT_MS,
      shortestTimeoutMs: TIMEOUT_MS,
      environment: this.#environment,
    });
    const headers: Record<string, string> = { accept: "application/json" };
    if (token !== null) headers["authorization"] = `Bearer ${token}`;
    if (body !== null) headers["content-type"] = "application/json";
    try {
      return await client.send({
        method,
        path: url.pathname + url.search,
        headers,
        body,
        signal,
        timeoutMs: TIMEOUT_MS,
        reader: null,
      });
    } finally {
      await client.close();
    }
  }
}

export class HubAnswer {
  readonly #answer: HttpAnswer;
  readonly #context: ResponseContext;

  constructor(answer: HttpAnswer, context: ResponseContext) {
    this.#answer = answer;
    this.#context = context;
  }

  get status(): number {
    return this.#answer.status;
  }

  get isOk(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** What the service says of a refusal; empty where it says nothing that may be shown. */
  get words(): string {
    return serverWords(this.#answer.text, this.#context.secrets);
  }

  /** What a status that is none of success stands for. */
  failure(): TidingError {
    return classifyResponse(this.#answer, this.#context);
  }

  /** The object that came with a status of success. Throws what any other status stands for, `RESPONSE_INVALID` for no object. */
  object(): Readonly<Record<string, unknown>> {
    if (!this.isOk) throw this.failure();
    const { endpoint } = this.#context;
    const value = parsed(this.#answer.text);
    if (isRecord(value)) return value;
    throw new TidingError("RESPONSE_INVALID", `${endpoint} sent what is no JSON object.`, { place: endpoint });
  }
}

/**
 * The key for a model on Hugging Face: `api_key`, else the user's token. Its services know nobody without one.
 * Throws `SECRET_MISSING`.
 */
export function hubKey({ api_key }: Pick<LLMSpec, "api_key">, { secret }: Pick<EndpointContext, "secret">): string {
  return secret(api_key ?? "${HF_TOKEN}");
}

function redirectOf({ status, headers }: HttpAnswer, from: URL): URL | null {
  const { location } = headers;
  return status >= 300 && status < 400 && typeof location === "string" && URL.canParse(location, from.href)
    ? new URL(location, from)
    : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller refuses it as it refuses any text.
    return null;
  }
}
