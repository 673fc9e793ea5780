/** The endpoints of an LLM that makes images: servers by their base URLs, one that Hugging Face looks up, or the Hub's providers. */
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import { directEndpoint } from "../direct-endpoint.ts";
import type { DirectEndpoint } from "../direct-endpoint.ts";
import { endpointAddress } from "../endpoint-address.ts";
import type { EndpointContext } from "../endpoint.ts";
import { DedicatedEndpoint } from "../hub/dedicated-endpoint.ts";
import { ServerlessImages } from "../hub/serverless-images.ts";
import { openNamed } from "../open-endpoints.ts";
import { ServerEndpoint } from "../server-endpoint.ts";
import { imageWire } from "./image-wires.ts";

/** Set by the engine. */
const RESERVED = ["inputs", "model", "n", "num_images_per_prompt", "prompt", "stream"];
const OPENAI_ROUTE = /\/images\/generations\/*(?=\?|$)/;

/** Asks nothing yet. Throws `SPEC_INVALID` and `SECRET_MISSING`. */
export function openImageEndpoints(spec: LLMSpec, context: EndpointContext): readonly DirectEndpoint[] {
  return openNamed<DirectEndpoint>(spec, {
    reserved: RESERVED,
    dedicated: () => directEndpoint(new DedicatedEndpoint(spec, context), null, imageWire),
    serverless: () => new ServerlessImages(spec, context),
    addressOf: (url) => endpointAddress(url.replace(OPENAI_ROUTE, "")),
    server: (address) => directEndpoint(new ServerEndpoint(spec, address, context), address, imageWire),
  });
}
