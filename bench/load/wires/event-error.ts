/**
 * Errors that come as events of a stream whose status is 200, which proves nothing:
 *
 *   {"error":"Model is overloaded","error_type":"overloaded"}                      TGI's own routes
 *   {"error":{"message":"…","http_status_code":422}}                               TGI's OpenAI routes: 422 whatever the cause
 *   {"error":{"message":"…","type":"…","code":503}}, {"object":"error",…}          vLLM, SGLang, llama.cpp, gateways
 */
import { classifyInside200, serverWords } from "../../../worker/llms/classify-response.ts";
import type { Answer } from "../answer.ts";
import type { JsonObject } from "./json-event.ts";

/** Notes the error of an event; false where it is none. */
export function takeError(event: JsonObject, data: string, answer: Answer): boolean {
  if (!event["error"] && event["object"] !== "error") return false;
  answer.fail(streamErrorCode(event, data), serverWords(data, []));
  return true;
}

/** `overloaded` where the server says that it has no room, in whatever words; `error-in-stream` for all else. */
function streamErrorCode(event: JsonObject, data: string): string {
  const error = classifyInside200(event, data, { endpoint: "", model: null, input: "", secrets: [] });
  return error?.code === "ENDPOINT_SATURATED" ? "overloaded" : "error-in-stream";
}
