/** The endpoints of an LLM that makes images: servers by their base URLs, one that Hugging Face looks up, or the Hub's providers. */
import { TidingError } from "../../../shared/errors.ts";
import { endpointKind } from "../../../shared/spec/check-endpoint.ts";
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import { endpointAddress } from "../endpoint-address.ts";
import type { EndpointAddress } from "../endpoint-address.ts";
import type { Endpoint, EndpointContext, FoundServer } from "../endpoint.ts";
import { DedicatedEndpoint } from "../hub/dedicated-endpoint.ts";
import { ServerlessImages } from "../hub/serverless-images.ts";
import { ServerEndpoint } from "../server-endpoint.ts";
import { imageWire } from "./image-wires.ts";
import type { ImageWire } from "./image-wires.ts";

/** A server that calls can be sent to. */
export interface FoundImageServer extends Omit<FoundServer, "wires"> {
  readonly wire: ImageWire;
}

export interface ImageEndpoint {
  /** Safe to show, and told apart by it. */
  readonly name: string;
  /** Asks anew each time. Throws as `Endpoint.find`. */
  find(signal: AbortSignal): Promise<FoundImageServer>;
  /** Ends what is in flight. */
  close(): Promise<void>;
}

/** Set by the engine. */
const RESERVED = ["inputs", "model", "n", "num_images_per_prompt", "prompt", "stream"];
const OPENAI_ROUTE = /\/images\/generations\/*(?=\?|$)/;

/** Asks nothing yet. Throws `SPEC_INVALID` and `SECRET_MISSING`. */
export function openImageEndpoints(spec: LLMSpec, context: EndpointContext): readonly ImageEndpoint[] {
  const reserved = RESERVED.find((name) => spec.generation_kwargs[name] !== undefined);
  if (reserved !== undefined) {
    throw new TidingError("SPEC_INVALID", `generation_kwargs holds ${reserved}, which the engine sets itself.`, {
      place: `generation_kwargs.${reserved}`,
      mend: "Use model_id or num_generations in its place.",
    });
  }
  switch (endpointKind(spec)) {
    case "dedicated":
      return [ofServer(new DedicatedEndpoint(spec, context), null)];
    case "serverless":
      return [new ServerlessImages(spec, context)];
    case "server":
      return openServers(spec, context);
    case null:
      throw new TidingError("SPEC_INVALID", "The llm says nowhere where its model is served.", {
        place: "base_url",
        mend: "Give base_url, endpoint_name or model_id.",
      });
  }
}

function openServers(spec: LLMSpec, context: EndpointContext): readonly ImageEndpoint[] {
  const addresses = [spec.base_url ?? []].flat().map((url) => endpointAddress(url.replace(OPENAI_ROUTE, "")));
  const names = addresses.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) {
    return addresses.map((address) => ofServer(new ServerEndpoint(spec, address, context), address));
  }
  throw new TidingError("SPEC_INVALID", `base_url names ${twice} twice.`, {
    place: "base_url",
    mend: "Name each endpoint once and raise slots to send it more at a time.",
  });
}

/** The server is found as for texts, and asked over another wire. `address` is null where finding tells it. */
function ofServer(endpoint: Endpoint, address: EndpointAddress | null): ImageEndpoint {
  return {
    name: endpoint.name,
    async find(signal) {
      const { wires: _, ...found } = await endpoint.find({ turnEnds: [], signal });
      return { ...found, wire: imageWire(found.server, address ?? endpointAddress(found.address)) };
    },
    close: () => endpoint.close(),
  };
}
