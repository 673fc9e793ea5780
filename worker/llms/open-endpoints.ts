/** The endpoints that an `llm` names: servers by their base URLs, one that Hugging Face looks up, or the Hub's providers. */
import { TidingError } from "../../shared/errors.ts";
import { endpointKind } from "../../shared/spec/check-endpoint.ts";
import type { LLMSpec } from "../../shared/spec/job-spec.ts";
import { endpointAddress } from "./endpoint-address.ts";
import type { EndpointAddress } from "./endpoint-address.ts";
import type { Endpoint, EndpointContext } from "./endpoint.ts";
import { DedicatedEndpoint } from "./hub/dedicated-endpoint.ts";
import { ServerlessEndpoint } from "./hub/serverless-endpoint.ts";
import { ServerEndpoint } from "./server-endpoint.ts";

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

/** Asks nothing yet. Throws `SPEC_INVALID` and `SECRET_MISSING`. */
export function openEndpoints(spec: LLMSpec, context: EndpointContext): readonly Endpoint[] {
  return openNamed<Endpoint>(spec, {
    reserved: RESERVED,
    dedicated: () => new DedicatedEndpoint(spec, context),
    serverless: () => new ServerlessEndpoint(spec, context),
    addressOf: endpointAddress,
    server: (address) => new ServerEndpoint(spec, address, context),
  });
}

export interface EndpointOpeners<E> {
  /** Names of parameters that are the engine's. */
  readonly reserved: readonly string[];
  readonly dedicated: () => E;
  readonly serverless: () => E;
  readonly addressOf: (baseUrl: string) => EndpointAddress;
  readonly server: (address: EndpointAddress) => E;
}

/** Opens endpoints in whichever of its ways an `llm` names them. Throws `SPEC_INVALID`, and what the openers throw. */
export function openNamed<E>(spec: LLMSpec, open: EndpointOpeners<E>): readonly E[] {
  const reserved = open.reserved.find((name) => spec.generation_kwargs[name] !== undefined);
  if (reserved !== undefined) {
    throw new TidingError("SPEC_INVALID", `generation_kwargs holds ${reserved}, which the engine sets itself.`, {
      place: `generation_kwargs.${reserved}`,
      mend: "Use model_id, stream or num_generations in its place.",
    });
  }
  switch (endpointKind(spec)) {
    case "dedicated":
      return [open.dedicated()];
    case "serverless":
      return [open.serverless()];
    case "server": {
      const addresses = [spec.base_url ?? []].flat().map(open.addressOf);
      refuseTwice(addresses);
      return addresses.map(open.server);
    }
    case null:
      throw new TidingError("SPEC_INVALID", "The llm says nowhere where its model is served.", {
        place: "base_url",
        mend: "Give base_url, endpoint_name or model_id.",
      });
  }
}

function refuseTwice(addresses: readonly EndpointAddress[]): void {
  for (const [index, { name, origin, chatPath }] of addresses.entries()) {
    const isTwice = addresses
      .slice(0, index)
      .some((other) => other.name === name || other.origin + other.chatPath === origin + chatPath);
    if (!isTwice) continue;
    throw new TidingError("SPEC_INVALID", `base_url names ${name} twice.`, {
      place: "base_url",
      mend: "Name each endpoint once and raise slots to send it more at a time.",
    });
  }
}
