/**
 * The canonical structured output in each server's own words, route by route.
 *
 * Sources: TGI router v3.3 (`GrammarType`: its chat route takes `{type, value}` where OpenAI's takes `{type: "json_schema",
 * json_schema}`); vLLM, which has `structured_outputs` in place of `guided_json` and `guided_regex` since 0.12; SGLang
 * (`serving_completions.py`: `json_schema` is a text); llama.cpp's server (`oaicompat_completion_params_parse`: on
 * completions it reads a top-level `json_schema`, an object, and never `response_format`; it knows no regexes).
 */
import { TidingError } from "../../../shared/errors.ts";
import type { StructuredOutput } from "../../../shared/task/task.ts";
import type { RecognisedServer } from "../recognise-server.ts";
import type { BodyFields } from "./wire.ts";

export type OpenAIRoute = "chat" | "completions";

type StructuringServer = Pick<RecognisedServer, "server" | "isTgi" | "version">;

/** For OpenAI's routes. Throws `SPEC_INVALID` for a regex where the server knows none. */
export function structuredFields(output: StructuredOutput, server: StructuringServer, route: OpenAIRoute): BodyFields {
  const { format, schema } = output;
  if (server.isTgi) return { response_format: { type: format === "json" ? "json_object" : "regex", value: schema } };
  if (format === "regex") return regexFields(schema, server);
  if (route === "completions") {
    if (server.server === "vllm")
      return hasGuided(server.version) ? { guided_json: schema } : { structured_outputs: { json: schema } };
    if (server.server === "sglang") return { json_schema: JSON.stringify(schema) };
    if (server.server === "llamacpp") return { json_schema: schema };
  }
  return { response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } } };
}

/** TGI's `grammar`, for its native routes. */
export function tgiGrammar({ format, schema }: StructuredOutput): BodyFields {
  return { type: format, value: schema };
}

function regexFields(regex: string, { server, version }: StructuringServer): BodyFields {
  if (server === "vllm") return hasGuided(version) ? { guided_regex: regex } : { structured_outputs: { regex } };
  if (server === "sglang") return { regex };
  throw new TidingError("SPEC_INVALID", `A ${server} server takes no regex for its answers.`, {
    place: "structured_output.format",
    mend: "Use format json with a schema, or a server that takes regexes: TGI, vLLM or SGLang.",
  });
}

/** vLLM before 0.12 takes `guided_json`, later ones ignore it; one that does not say is taken for a later one. */
function hasGuided(version: string | null): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version ?? "") ?? [];
  return major !== undefined && Number(major) === 0 && Number(minor) < 12;
}
