/**
 * How one of the Hub's providers wants to be asked: its URL, its headers, and the fields of a chat request in its words.
 *
 * That knowledge is @huggingface/inference's. Its requests are not: it sends by WHATWG fetch, keeps a model's providers
 * for the life of the process, and loses what stands in an answer's headers.
 */
import { TidingError, messageOf } from "../../../shared/errors.ts";
import type { BodyFields } from "../wires/wire.ts";
import type { ModelProvider } from "./model-providers.ts";

export interface ProviderRoute {
  readonly url: URL;
  /** Beside those of any request; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** From the fields of an OpenAI chat request, messages aside. */
  readonly adapt: (fields: BodyFields) => BodyFields;
}

/** Headers that are ours to set. */
const OWN_HEADERS = new Set(["authorization", "content-type", "user-agent", "x-hf-bill-to"]);
const ROUTER = "https://router.huggingface.co";

/**
 * A key of Hugging Face's goes by its router, a key of the provider's own to the provider itself.
 * Throws `SPEC_INVALID` for a provider that the library does not know, or not for chat.
 */
export async function providerRoute(
  { provider, providerId, task }: ModelProvider,
  {
    model,
    router,
    hasProviderKey,
  }: { readonly model: string; readonly router: string; readonly hasProviderKey: boolean },
): Promise<ProviderRoute> {
  // 130 ms that a job on servers of one's own need not spend.
  const { getProviderHelper, makeRequestOptionsFromResolvedModel } = await import("@huggingface/inference");
  // It only looks at what kind of key there is.
  const accessToken = hasProviderKey ? "key" : "hf_token";
  type Provider = NonNullable<Parameters<typeof getProviderHelper>[0]>;
  type Mapping = NonNullable<Parameters<typeof makeRequestOptionsFromResolvedModel>[3]>;
  const mapping = { provider, providerId, hfModelId: model, status: "live", task } as Mapping;
  try {
    const helper = getProviderHelper(provider as Provider, "conversational");
    const request = (fields: BodyFields): { readonly url: string; readonly info: RequestInit } =>
      makeRequestOptionsFromResolvedModel(
        providerId,
        helper,
        { ...fields, model, accessToken, messages: [] },
        mapping,
        { task: "conversational" },
      );
    const { url, info } = request({});
    const headers = Object.entries(info.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]);
    return {
      url: new URL(url.startsWith(`${ROUTER}/`) ? router + url.slice(ROUTER.length) : url),
      headers: Object.fromEntries(headers.filter(([name = ""]) => !OWN_HEADERS.has(name))),
      adapt: (fields) => {
        const { messages: _, ...adapted } = JSON.parse(request(fields).info.body as string) as Record<string, unknown>;
        return adapted;
      },
    };
  } catch (error) {
    throw new TidingError("SPEC_INVALID", `The provider ${provider} cannot be asked: ${messageOf(error)}`, {
      place: "provider",
      mend: "Name a provider that serves the model for chat, or leave provider out.",
      cause: error,
    });
  }
}
