/**
 * The wires that ask for embeddings: what is sent where. How answers read is the same for all (`embedding-answer.ts`).
 *
 * Sources: Text Embeddings Inference (`router/src/http/types.rs`, `EmbedRequest`); OpenAI's `/v1/embeddings`, as vLLM,
 * SGLang, llama.cpp's server and gateways serve it as well; huggingface-inference-toolkit for containers.
 */
import { TidingError } from "../../../shared/errors.ts";
import type { WireService } from "../classify-response.ts";
import { openAIRoute, ownRoute, rootPath } from "../endpoint-address.ts";
import type { EndpointAddress } from "../endpoint-address.ts";
import type { RecognisedServer } from "../recognise-server.ts";
import { withoutNulls } from "../wires/direct-wire.ts";
import type { DirectWire } from "../wires/direct-wire.ts";

/** By what the server is, and whether its address names OpenAI's API. Throws `SPEC_INVALID` for one that makes none. */
export function embeddingWire(server: RecognisedServer, address: EndpointAddress): DirectWire {
  if (server.isTgi) {
    throw new TidingError("SPEC_INVALID", `${address.name} is TGI, which makes no embeddings.`, {
      place: "base_url",
      mend: "Give the address of a server for embeddings, such as Text Embeddings Inference.",
    });
  }
  if (server.server === "tei") return inputsWire(ownRoute(address, "/embed"), TEI_SERVICE);
  const isContainer = server.server === "container" || (server.server === "unknown" && !address.namesOpenAI);
  return isContainer ? inputsWire(rootPath(address), CONTAINER_SERVICE) : openAIEmbeddings(server, address);
}

const TEI_SERVICE: WireService = {
  name: "embeddings",
  mend: "See that the model of the server is one for embeddings, and not a classifier or a reranker.",
};
const CONTAINER_SERVICE: WireService = {
  name: "embeddings",
  mend: "End base_url with /v1 for a server that speaks the OpenAI API; without it, texts are posted to base_url itself.",
};
const OPENAI_SERVICE: WireService = {
  name: "OpenAI embeddings",
  mend: "See that base_url ends before or at /v1, and that the server serves /v1/embeddings.",
};

/** `POST {inputs}`, with the parameters beside it: `normalize`, `truncate`, `prompt_name` of TEI. */
function inputsWire(path: string, service: WireService): DirectWire {
  return {
    service,
    path,
    headers: {},
    body: (inputs, parameters) => JSON.stringify({ ...withoutNulls(parameters), inputs }),
  };
}

function openAIEmbeddings(
  { requestModel }: Pick<RecognisedServer, "requestModel">,
  address: Pick<EndpointAddress, "chatPath">,
): DirectWire {
  const model = requestModel === null ? {} : { model: requestModel };
  return {
    service: OPENAI_SERVICE,
    path: openAIRoute(address, "/embeddings"),
    headers: {},
    // Without `encoding_format` the numbers come as numbers.
    body: (input, parameters) => JSON.stringify({ ...model, ...withoutNulls(parameters), input }),
  };
}
