/** A model of the Hub's inference providers that makes images. The router has no route that chooses one: `auto` is the first. */
import { TidingError } from "../../../shared/errors.ts";
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import { classifyResponse } from "../classify-response.ts";
import type { EndpointContext } from "../endpoint.ts";
import type { DirectEndpoint, FoundDirectServer } from "../direct-endpoint.ts";
import { OriginClients } from "../origin-clients.ts";
import { unknownServer } from "../recognise-server.ts";
import { requestHeaders } from "../request-headers.ts";
import { serverlessAccount } from "./serverless-account.ts";
import type { ServerlessAccount } from "./serverless-account.ts";
import { answersAtOnce, imageProviderRoute } from "./image-provider-route.ts";
import { providersFor } from "./model-providers.ts";
import type { ModelProvider } from "./model-providers.ts";

export class ServerlessImages implements DirectEndpoint {
  readonly name: string;
  readonly #spec: LLMSpec;
  readonly #context: EndpointContext;
  readonly #model: string;
  readonly #provider: string;
  readonly #account: ServerlessAccount;
  /** A provider's own key goes to the provider's own host. */
  readonly #clients: OriginClients;

  /** Throws `SECRET_MISSING`, and `SPEC_INVALID` for addresses of Hugging Face's services that are none. */
  constructor(spec: LLMSpec, context: EndpointContext) {
    this.#spec = spec;
    this.#context = context;
    this.#model = spec.model_id ?? "";
    this.#provider = spec.provider ?? "auto";
    this.#account = serverlessAccount(spec, context);
    this.name = `${this.#account.router}/${this.#provider === "auto" ? "images" : this.#provider}`;
    this.#clients = new OriginClients(spec, this.name, context.environment);
  }

  /** Throws `MODEL_NOT_FOUND` where the Hub, or the provider, does not have the model for images, `NOT_BUILT`. */
  async find(signal: AbortSignal): Promise<FoundDirectServer> {
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
      client: this.#clients.to(origin),
      errorOf: classifyResponse,
    };
  }

  async close(): Promise<void> {
    await this.#clients.close();
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
}
