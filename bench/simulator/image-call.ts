/**
 * The routes of a server that makes images: an endpoint container's (huggingface-inference-toolkit,
 * `webservice_starlette.py`), where the `Accept` header decides the form, and OpenAI's `/v1/images/generations`.
 */
import { countTokens } from "./answer.ts";
import { BodyMisfit, objectOf, whole } from "./generation-call.ts";
import type { GenerationCall, ImageForm } from "./generation-call.ts";

/** Reads the parsed body of `POST /`. Throws `BodyMisfit`. */
export function readContainerCall(body: unknown, accept: string | undefined): GenerationCall {
  const fields = objectOf(body, "a body with inputs");
  const parameters = fields["parameters"] === undefined ? {} : objectOf(fields["parameters"], "parameters");
  const image = accept?.startsWith("image/") === true ? "bytes" : "text";
  return imageCall(fields["inputs"], { image, name: "inputs", seed: whole(parameters, "seed") });
}

/** Reads the parsed body of `/v1/images/generations`. Throws `BodyMisfit`. */
export function readImagesCall(body: unknown): GenerationCall {
  const fields = objectOf(body, "ImagesRequest");
  if (fields["response_format"] !== "b64_json") throw new BodyMisfit("response_format: only b64_json is simulated");
  return imageCall(fields["prompt"], { image: "list", name: "prompt", seed: whole(fields, "seed") });
}

function imageCall(
  prompt: unknown,
  of: { readonly image: ImageForm; readonly name: string; readonly seed: number | null },
): GenerationCall {
  if (typeof prompt !== "string") throw new BodyMisfit(`missing field \`${of.name}\``);
  return {
    route: "images",
    prompt,
    promptTokens: countTokens(prompt),
    stream: false,
    maxTokens: null,
    seed: of.seed,
    details: false,
    prefill: false,
    fullText: false,
    includeUsage: false,
    image: of.image,
    invalid: prompt === "" ? `\`${of.name}\` cannot be empty` : null,
  };
}
