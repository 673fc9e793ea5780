/**
 * The wire of TGI's native API, for rendered prompts: `/generate` and `/generate_stream`; and `POST /`, the older route
 * that other containers of inference endpoints serve as well.
 *
 * TGI tokenises all of them with special tokens, and no field changes that (`add_special_tokens` is not read from
 * requests, router v3.3). Of other containers the same is assumed: it is the tokenizers' default.
 */
import type { WireService } from "../classify-response.ts";
import { ownRoute } from "../endpoint-address.ts";
import type { EndpointAddress } from "../endpoint-address.ts";
import type { RecognisedServer } from "../recognise-server.ts";
import { readGenerateAnswer } from "./generate-answer.ts";
import { GenerateStream } from "./generate-stream.ts";
import { tgiAdvice, tgiParameters } from "./tgi-parameters.ts";
import { bodyHead } from "./wire.ts";
import type { CallShape, PromptWire } from "./wire.ts";

/** `--max-stop-sequences` where the server does not tell. */
const TGI_STOPS = 4;

/** TGI's own routes at this address. */
export function tgiGenerate(
  { requestModel, limits }: Pick<RecognisedServer, "requestModel" | "limits">,
  address: EndpointAddress,
): PromptWire {
  const plainPath = ownRoute(address, "/generate");
  const streamPath = ownRoute(address, "/generate_stream");
  // As its chat route does: any `model` but "tgi" is the name of an adapter.
  const adapter = requestModel === null || requestModel === "tgi" ? {} : { adapter_id: requestModel };
  return {
    ...common,
    service: {
      name: "TGI /generate",
      mend: "See that base_url is the address of TGI itself, and that a proxy before it lets /generate through.",
    },
    maxStopSequences: limits.maxStopSequences ?? TGI_STOPS,
    path: (stream) => (stream ? streamPath : plainPath),
    head: (shape) => `{"parameters":${headOf(shape, adapter)}`,
    advice: tgiAdvice,
  };
}

const ROOT_SERVICE: WireService = {
  name: "text generation",
  mend: "End base_url with /v1 for a server that speaks the OpenAI API; without it, prompts are posted to base_url itself.",
};

/** `POST /`: the answer is an object or a list of one. */
export function rootGenerate(path: string): PromptWire {
  return {
    ...common,
    service: ROOT_SERVICE,
    maxStopSequences: TGI_STOPS,
    path: () => path,
    head: (shape) => `{"stream":${shape.stream},"parameters":${headOf(shape, {})}`,
    advice: (kwargs) =>
      kwargs["max_new_tokens"] === undefined
        ? ["max_new_tokens is not set: how long answers get is up to the server."]
        : [],
  };
}

const common = {
  addsSpecialTokens: true,
  body: (head, input, seed) => `${head}${seed}},"inputs":${JSON.stringify(input)}}`,
  read: readGenerateAnswer,
  openStream: (context, onText) => new GenerateStream(context, onText),
} satisfies Partial<PromptWire>;

/** The parameters up to the seed's value: a call's own part begins within them. */
function headOf(shape: CallShape, more: Readonly<Record<string, unknown>>): string {
  return `${bodyHead({ ...tgiParameters(shape), ...more })}"seed":`;
}
