/**
 * The canonical structured output in each server's own words.
 *
 * Source: research on TGI router v3.3 (`GrammarType`), vLLM 0.12, SGLang and llama.cpp's server; TGI's chat route takes
 * `{type, value}` where OpenAI's takes `{type: "json_schema", json_schema}`.
 */
import { TidingError } from "../../../shared/errors.ts";
import type { StructuredOutput } from "../../../shared/task/task.ts";
import type { RecognisedServer } from "../recognise-server.ts";
import type { BodyFields } from "./wire.ts";

/** Throws `SPEC_INVALID` for a regex where the server knows none. */
export function structuredFields(
  { format, schema }: StructuredOutput,
  { server, isTgi }: RecognisedServer,
): BodyFields {
  if (isTgi) return { response_format: { type: format === "json" ? "json_object" : "regex", value: schema } };
  if (format === "json") {
    return { response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } } };
  }
  if (server === "vllm") return { structured_outputs: { regex: schema } };
  if (server === "sglang") return { regex: schema };
  throw new TidingError("SPEC_INVALID", `A ${server} server takes no regex for its answers.`, {
    place: "structured_output.format",
    mend: "Use format json with a schema, or a server that takes regexes: TGI, vLLM or SGLang.",
  });
}
