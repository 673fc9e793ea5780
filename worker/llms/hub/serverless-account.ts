/** With whose key the Hub's inference providers are asked, and over which address. */
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import { huggingFaceToken } from "../../../shared/spec/secret.ts";
import type { EndpointContext } from "../endpoint.ts";
import { HubClient, hubAddress, hubKey } from "./hub-client.ts";

export interface ServerlessAccount {
  readonly router: string;
  /** `api_key` is the provider's own, and none of Hugging Face's. */
  readonly hasProviderKey: boolean;
  readonly hub: HubClient;
}

/** Throws `SECRET_MISSING`, and `SPEC_INVALID` for addresses of Hugging Face's services that are none. */
export function serverlessAccount(spec: LLMSpec, context: EndpointContext): ServerlessAccount {
  const { environment } = context;
  const key = hubKey(spec, context);
  // A token of Hugging Face's own never goes to a third party, whatever it begins with.
  const isHubToken = key.startsWith("hf_") || key === huggingFaceToken(environment);
  const hasProviderKey = spec.api_key !== undefined && !isHubToken;
  const router = hubAddress("router", environment);
  hubAddress("hub", environment);
  return { router, hasProviderKey, hub: new HubClient(hasProviderKey ? null : key, environment) };
}
