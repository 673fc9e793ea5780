/** A model of the Hub's inference providers that makes images. The router has no route that chooses one: `auto` is the first. */
import { TidingError } from "../../../shared/errors.ts";
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import { classifyResponse } from "../classify-response.ts";
import { clientFor } from "../endpoint.ts";
import type { EndpointContext } from "../endpoint.ts";
import type { HttpClient } from "../http-client.ts";
import type { FoundImageServer, ImageEndpoint } from "../images/image-endpoint.ts";
import { unknownServer } from "../recognise-server.ts";
import { requestHeaders } from "../request-headers.ts";
import { serverlessAccount } from "./serverless-account.ts";
import type { ServerlessAccount } from "./serverless-account.ts";
import { answersAtOnce, imageProviderRoute } from "./image-provider-route.ts";
import { providersFor } from "./model-providers.ts";
import type { ModelProvider } from "./model-providers.ts";

export class ServerlessImages implements ImageEndpoint {
  readonly name: string;
  readonly #spec: LLMSpec;
  readonly #context: EndpointContext;
  readonly #model: string;
  readonly #provider: string;
  readonly #account: ServerlessAccount;
  /** By origin: a provider's own key goes to the provider's own host. */
  readonly #clients = new Map<string, HttpClient>();
  readonly #closing = new AbortController();

  /** Throws `SECRET_MISSING`, and `SPEC_INVALID` for addresses of Hugging Face's services that are none. */
  constructor(spec: LLMSpec, context: EndpointContext) {
    this.#spec = spec;
    this.#context = context;
    this.#model = spec.model_id ?? "";
    this.#provider = spec.provider ?? "auto";
    this.#account = serverlessAccount(spec, context);
    this.name = `${this.#account.router}/${this.#provider === "auto" ? "images" : this.#provider}`;
  }

  /** Throws `MODEL_NOT_FOUND` where the Hub, or the provider, does not have the model for images, `NOT_BUILT`. */
  async find(signal: AbortSignal): Promise<FoundImageServer> {
    const { hub, router, hasProviderKey } = this.#account;
    const wanted = { task: "text-to-image", called: "images", signal };
    const chosen = this.#choose(await providersFor(hub, this.#model, wanted));
    const { url, wire } = await imageProviderRoute(chosen, { model: this.#model, router, hasProviderKey });
    const { origin, hostname } = url;
    const address = { origin, hostname, credentials: null };
    return {
      address: this.name,
      server: { ...unknownServer(this.#model), server: "openai" },
      wire,
      request: requestHeaders(this.#spec, address, this.#context.secret, { namedByHub: true }),
      client: this.#clientTo(origin),
      errorOf: classifyResponse,
    };
  }

  async close(): Promise<void> {
    this.#closing.abort(new DOMException(`The endpoint ${this.name} was closed.`, "AbortError"));
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  #choose(providers: readonly ModelProvider[]): ModelProvider {
    const isAuto = this.#provider === "auto";
    const named = isAuto ? providers : providers.filter(({ provider }) => provider === this.#provider);
    const chosen = named.find(answersAtOnce);
    if (chosen !== undefined) return chosen;
    const names = providers.map(({ provider }) => provider).join(", ");
    if (named.length === 0) {
      throw new TidingError("MODEL_NOT_FOUND", `${this.#provider} does not serve ${this.#model}; ${names} do.`, {
        place: "provider",
        mend: "Name one of them, or leave provider out.",
      });
    }
    const what = `${named.map(({ provider }) => provider).join(", ")} hands images out by a queue, which is not built yet.`;
    throw new TidingError("NOT_BUILT", what, {
      place: "provider",
      mend: isAuto
        ? "Take another model, or an endpoint of your own."
        : `Leave provider out: ${names} serve the model.`,
    });
  }

  #clientTo(origin: string): HttpClient {
    this.#closing.signal.throwIfAborted();
    const client =
      this.#clients.get(origin) ?? clientFor(this.#spec, { name: this.name, origin }, this.#context.environment);
    this.#clients.set(origin, client);
    return client;
  }
}
