/**
 * The canonical structured output in each server's own words, route by route.
 *
 * Sources: TGI router v3.3 (`GrammarType`: its chat route takes `{type, value}` where OpenAI's takes `{type: "json_schema",
 * json_schema}`); vLLM, which has `structured_outputs` in place of `guided_json` and `guided_regex` since 0.12, and takes
 * any field (`entrypoints/openai/protocol.py`, `OpenAIBaseModel`); SGLang
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
    if (server.server === "vllm") return vllmFields("json", schema, server.version);
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
  if (server === "vllm") return vllmFields("regex", regex, version);
  if (server === "sglang") return { regex };
  throw new TidingError("SPEC_INVALID", `A ${server} server takes no regex for its answers.`, {
    place: "structured_output.format",
    mend: "Use format json with a schema, or a server that takes regexes: TGI, vLLM or SGLang.",
  });
}

/**
 * vLLM before 0.12 takes `guided_…`, later ones `structured_outputs`, and each ignores what it does not know: one whose
 * version is not known is sent both. A version that is no number is a build of later days.
 */
function vllmFields(format: "json" | "regex", value: unknown, version: string | null): BodyFields {
  const guided = { [`guided_${format}`]: value };
  const structured = { structured_outputs: { [format]: value } };
  if (version === null) return { ...structured, ...guided };
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return major !== undefined && Number(major) === 0 && Number(minor) < 12 ? guided : structured;
}
