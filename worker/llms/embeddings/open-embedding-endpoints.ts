/** The endpoints of an LLM that makes embeddings: servers by their base URLs, or one that Hugging Face looks up. */
import { TidingError } from "../../../shared/errors.ts";
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import { directEndpoint } from "../direct-endpoint.ts";
import type { DirectEndpoint } from "../direct-endpoint.ts";
import { endpointAddress } from "../endpoint-address.ts";
import type { EndpointContext } from "../endpoint.ts";
import { DedicatedEndpoint } from "../hub/dedicated-endpoint.ts";
import { openNamed } from "../open-endpoints.ts";
import { ServerEndpoint } from "../server-endpoint.ts";
import { embeddingWire } from "./embedding-wires.ts";

/** Set by the engine. */
const RESERVED = ["inputs", "input", "model", "encoding_format"];
const EMBEDDING_ROUTE = /\/(embeddings|embed)\/*(?=\?|$)/;

/** Asks nothing yet. Throws `SPEC_INVALID` and `SECRET_MISSING`. */
export function openEmbeddingEndpoints(spec: LLMSpec, context: EndpointContext): readonly DirectEndpoint[] {
  return openNamed<DirectEndpoint>(spec, {
    reserved: RESERVED,
    dedicated: () => directEndpoint(new DedicatedEndpoint(spec, context), null, embeddingWire),
    serverless() {
      throw new TidingError("SPEC_INVALID", "The llm names no server for embeddings.", {
        place: "base_url",
        mend: "Give base_url or endpoint_name: embeddings are not asked of the Hub's providers.",
      });
    },
    addressOf: (url) => endpointAddress(url.replace(EMBEDDING_ROUTE, "")),
    server: (address) => directEndpoint(new ServerEndpoint(spec, address, context), address, embeddingWire),
  });
}
