/**
 * How one of the Hub's providers wants to be asked for an image: as `provider-route.ts` for chat.
 *
 * Of @huggingface/inference (4.13.30) again only its knowledge is used: its `textToImage` fetches results, and polls the
 * providers that answer by a queue, over the global fetch, whose connections and deadlines are not ours.
 */
import { TidingError, messageOf } from "../../../shared/errors.ts";
import type { DirectWire } from "../wires/direct-wire.ts";
import type { ModelProvider } from "./model-providers.ts";

export interface ImageProviderRoute {
  readonly url: URL;
  readonly wire: DirectWire;
}

/** Their first answer is a ticket, and the image is to be asked for until it is there: not built. */
const BY_QUEUE: readonly string[] = ["fal-ai", "wavespeed", "zai-org"];
/** Headers that are ours to set. */
const OWN_HEADERS = new Set(["authorization", "content-type", "user-agent", "x-hf-bill-to"]);
const ROUTER = "https://router.huggingface.co";

export function answersAtOnce({ provider }: ModelProvider): boolean {
  return !BY_QUEUE.includes(provider);
}

/**
 * A key of Hugging Face's goes by its router, a key of the provider's own to the provider itself. Throws `SPEC_INVALID`
 * for a provider that the library does not know, or not for images.
 */
export async function imageProviderRoute(
  { provider, providerId, task }: ModelProvider,
  of: { readonly model: string; readonly router: string; readonly hasProviderKey: boolean },
): Promise<ImageProviderRoute> {
  const { getProviderHelper, makeRequestOptionsFromResolvedModel } = await import("@huggingface/inference");
  type Provider = NonNullable<Parameters<typeof getProviderHelper>[0]>;
  type Mapping = NonNullable<Parameters<typeof makeRequestOptionsFromResolvedModel>[3]>;
  const mapping = { provider, providerId, hfModelId: of.model, status: "live", task } as Mapping;
  // It only looks at what kind of key there is.
  const accessToken = of.hasProviderKey ? "key" : "hf_token";
  try {
    const helper = getProviderHelper(provider as Provider, "text-to-image");
    const request = (inputs: string, parameters: object): { readonly url: string; readonly info: RequestInit } =>
      makeRequestOptionsFromResolvedModel(
        providerId,
        helper,
        { inputs, parameters: { ...parameters }, model: of.model, accessToken },
        mapping,
        { task: "text-to-image" },
      );
    const { url: given, info } = request("", {});
    const url = new URL(given.startsWith(`${ROUTER}/`) ? of.router + given.slice(ROUTER.length) : given);
    const headers = Object.entries(info.headers ?? {})
      .map(([name, value]): [string, string] => [name.toLowerCase(), String(value)])
      .filter(([name]) => !OWN_HEADERS.has(name));
    const wire: DirectWire = {
      service: { name: "image generation", mend: `See that ${provider} still serves the model for images.` },
      path: url.pathname + url.search,
      headers: { accept: "*/*", ...Object.fromEntries(headers) },
      body: (prompt, parameters) => {
        const present = Object.entries(parameters).filter(([, value]) => value !== null);
        return request(prompt, Object.fromEntries(present)).info.body as string;
      },
    };
    return { url, wire };
  } catch (error) {
    throw new TidingError("SPEC_INVALID", `The provider ${provider} cannot be asked for images: ${messageOf(error)}`, {
      place: "provider",
      mend: "Name a provider that serves the model for images, or leave provider out.",
      cause: error,
    });
  }
}
