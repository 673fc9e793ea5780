/**
 * Reads what servers answer with images: the bytes themselves, or JSON that holds them or says where they are.
 *
 * Forms: bytes (huggingface-inference-toolkit under `accept: image/png`, hf-inference); base64 as a JSON text (the toolkit
 * under `application/json`); `data[].b64_json` or `data[].url` (OpenAI and who follows it); `output` and `images`, each a
 * list or one of URLs, data URLs and base64 (the Hub's providers).
 */
import type { GeneratedImage } from "../../../shared/task/task.ts";
import { classifyInside200 } from "../classify-response.ts";
import type { ResponseContext, ServerResponse } from "../classify-response.ts";
import { isRecord, numberOf, textOf } from "../recognise-server.ts";
import { invalidAnswer } from "../wires/answer-parts.ts";
import { imageFromBase64, imageOf } from "./image-type.ts";

export interface ImageResponse extends ServerResponse {
  readonly bytes: Uint8Array;
}

export interface ImageAnswer {
  /** The image, or where it is to be fetched. */
  readonly image: GeneratedImage | URL;
  /** The prompt as the server rewrote it; empty where it says nothing of the kind. */
  readonly text: string;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
}

/** Reads an answer with status 200. Throws `RESPONSE_INVALID`, or what an error inside it stands for. */
export function readImageAnswer(response: ImageResponse, context: ResponseContext): ImageAnswer {
  const image = imageOf(response.bytes);
  if (image !== null) return { image, text: "", inputTokens: null, outputTokens: null };
  const payload = payloadOf(response, context);
  const error = classifyInside200(payload, response.text, context);
  if (error !== null) throw error;
  const first = firstOf(payload);
  const usage = isRecord(payload) && isRecord(payload["usage"]) ? payload["usage"] : {};
  return {
    image: imageIn(first) ?? fail("JSON without an image", response, context),
    text: (isRecord(first) ? textOf(first["revised_prompt"]) : null) ?? "",
    inputTokens: numberOf(usage["input_tokens"]),
    outputTokens: numberOf(usage["output_tokens"]),
  };
}

function payloadOf(response: ImageResponse, context: ResponseContext): unknown {
  const { bytes, headers } = response;
  if (bytes.length === 0) return fail("an empty answer", response, context);
  const [type = ""] = String(headers["content-type"] ?? "no content type").split(";", 1);
  if (/^(image|audio|video)\/|octet-stream/.test(type)) {
    // No text, and so nothing to keep of it.
    return fail(`${type} that is no PNG, JPEG, WebP or GIF`, { ...response, text: "" }, context);
  }
  try {
    return JSON.parse(response.text);
  } catch (cause) {
    const what = type.includes("json") ? "JSON that breaks off or is malformed" : `${type} where an image was expected`;
    throw invalidAnswer(what, response.text, { context, cause });
  }
}

/** The first image's entry, whatever the answer calls the list. */
function firstOf(payload: unknown): unknown {
  const found: unknown = isRecord(payload) ? (payload["data"] ?? payload["output"] ?? payload["images"]) : payload;
  return Array.isArray(found) ? found[0] : found;
}

function imageIn(entry: unknown): GeneratedImage | URL | null {
  const text = isRecord(entry) ? (textOf(entry["b64_json"]) ?? textOf(entry["url"])) : textOf(entry);
  if (text === null) return null;
  if (/^https?:\/\//.test(text)) return URL.canParse(text) ? new URL(text) : null;
  return imageFromBase64(text.replace(/^data:[^,]*;base64,/, ""));
}

function fail(what: string, response: ServerResponse, context: ResponseContext): never {
  throw invalidAnswer(what, response.text, { context });
}
