/**
 * The wires that ask for images: what is sent where. How answers read is the same for all (`image-answer.ts`).
 *
 * Sources: huggingface-inference-toolkit (`webservice_starlette.py`, `diffusers_utils.py`) for containers; OpenAI's
 * `/v1/images/generations`, as LocalAI, vLLM-Omni, SGLang and gateways serve it as well.
 */
import { TidingError } from "../../../shared/errors.ts";
import type { WireService } from "../classify-response.ts";
import { openAIRoute, rootPath } from "../endpoint-address.ts";
import type { EndpointAddress } from "../endpoint-address.ts";
import type { RecognisedServer } from "../recognise-server.ts";
import { withoutNulls } from "../wires/direct-wire.ts";
import type { DirectWire } from "../wires/direct-wire.ts";

/** By what the server is, and whether its address names OpenAI's API. Throws `SPEC_INVALID` for one that makes no images. */
export function imageWire(server: RecognisedServer, address: EndpointAddress): DirectWire {
  if (server.isTgi) {
    throw new TidingError("SPEC_INVALID", `${address.name} is TGI, which makes no images.`, {
      place: "base_url",
      mend: "Give the address of a server for images.",
    });
  }
  const isContainer = server.server === "container" || (server.server === "unknown" && !address.namesOpenAI);
  return isContainer ? containerImages(rootPath(address)) : openAIImages(server, address);
}

const CONTAINER_SERVICE: WireService = {
  name: "image generation",
  mend: "End base_url with /v1 for a server that speaks the OpenAI API; without it, prompts are posted to base_url itself.",
};

/** `POST {inputs, parameters}` to the base URL itself, as endpoint containers take it. */
export function containerImages(path: string): DirectWire {
  return {
    service: CONTAINER_SERVICE,
    path,
    // It decides in which form the container writes the image; under JSON it is base64, a third longer.
    headers: { accept: "image/png" },
    body: (inputs, parameters) => JSON.stringify({ inputs, parameters: withoutNulls(parameters) }),
  };
}

const OPENAI_SERVICE: WireService = {
  name: "OpenAI images",
  mend: "See that base_url ends before or at /v1, and that the server serves /v1/images/generations.",
};

export function openAIImages(
  { requestModel }: Pick<RecognisedServer, "requestModel">,
  address: Pick<EndpointAddress, "chatPath">,
): DirectWire {
  const model = requestModel === null ? {} : { model: requestModel };
  return {
    service: OPENAI_SERVICE,
    path: openAIRoute(address, "/images/generations"),
    headers: {},
    body(prompt, parameters) {
      // OpenAI's older models, and servers like them, answer with a URL unless told otherwise.
      const fields = withoutNulls({ response_format: "b64_json", ...parameters });
      const { width, height, ...others } = fields;
      const hasSize = typeof width === "number" && typeof height === "number";
      const size = hasSize ? { size: `${width}x${height}` } : { width, height };
      return JSON.stringify({ ...model, ...others, ...size, n: 1, prompt });
    },
  };
}
