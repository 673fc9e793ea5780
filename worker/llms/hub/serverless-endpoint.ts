/**
 * A model of the Hub's inference providers, who take conversations over OpenAI chat: by the router, which chooses the
 * provider itself (`auto`), or as one of them wants it.
 */
import { TidingError } from "../../../shared/errors.ts";
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import { classifyResponse } from "../classify-response.ts";
import type { Endpoint, EndpointContext, Finding, FoundServer } from "../endpoint.ts";
import { OriginClients } from "../origin-clients.ts";
import { unknownServer } from "../recognise-server.ts";
import { requestHeaders } from "../request-headers.ts";
import { chatOnlyWires } from "../wires/endpoint-wires.ts";
import { openAIChat } from "../wires/openai-chat.ts";
import { chatProviders } from "./model-providers.ts";
import type { ModelProvider } from "./model-providers.ts";
import { providerRoute } from "./provider-route.ts";
import type { ProviderRoute } from "./provider-route.ts";
import { serverlessAccount } from "./serverless-account.ts";
import type { ServerlessAccount } from "./serverless-account.ts";

export class ServerlessEndpoint implements Endpoint {
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
    const { model_id: model = "", provider = "auto" } = spec;
    this.#spec = spec;
    this.#context = context;
    this.#model = model;
    this.#provider = provider;
    this.#account = serverlessAccount(spec, context);
    this.name = `${this.#account.router}/${provider === "auto" ? "v1" : provider}`;
    this.#clients = new OriginClients(spec, this.name, context.environment);
  }

  /** Throws `MODEL_NOT_FOUND` where the Hub, or the provider, does not have the model. */
  async find({ signal }: Finding): Promise<FoundServer> {
    const providers = await chatProviders(this.#account.hub, this.#model, signal);
    const { url, headers, adapt } = await this.#route(providers);
    const request = requestHeaders(this.#spec, plain(url), this.#context.secret, { namedByHub: true });
    const server = { ...unknownServer(this.#model), server: "openai" } as const;
    return {
      address: this.name,
      server,
      wires: chatOnlyWires(openAIChat(server, url.pathname + url.search, adapt)),
      request: { headers: { ...headers, ...request.headers }, secrets: request.secrets },
      client: this.#clients.to(url.origin),
      errorOf: classifyResponse,
    };
  }

  async close(): Promise<void> {
    await this.#clients.close();
  }

  async #route(providers: readonly ModelProvider[]): Promise<ProviderRoute> {
    if (this.#provider === "auto") {
      return { url: new URL(`${this.#account.router}/v1/chat/completions`), headers: {}, adapt: (fields) => fields };
    }
    const chosen = providers.find(({ provider }) => provider === this.#provider);
    if (chosen !== undefined) {
      const { router, hasProviderKey } = this.#account;
      return await providerRoute(chosen, { model: this.#model, router, hasProviderKey });
    }
    const others = providers.map(({ provider }) => provider).join(", ");
    throw new TidingError("MODEL_NOT_FOUND", `${this.#provider} does not serve ${this.#model}; ${others} do.`, {
      place: "provider",
      mend: "Name one of them, or leave provider out.",
    });
  }
}

function plain({ origin, hostname }: URL): { origin: string; hostname: string; credentials: null } {
  return { origin, hostname, credentials: null };
}
