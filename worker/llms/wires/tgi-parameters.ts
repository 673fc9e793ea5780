/**
 * `generation_kwargs` as TGI's native routes take them.
 *
 * Source: TGI router v3.3 (`lib.rs`, `validation.rs`, `server.rs`) and its Python server's `StoppingCriteria`.
 */
import { tgiGrammar } from "./structured-fields.ts";
import type { BodyFields, CallShape } from "./wire.ts";

/** All that `/generate` knows; other names it ignores. */
const KNOWN = new Set([
  "adapter_id",
  "do_sample",
  "frequency_penalty",
  "grammar",
  "max_new_tokens",
  "repetition_penalty",
  "seed",
  "stop",
  "stop_sequences",
  "temperature",
  "top_k",
  "top_n_tokens",
  "top_p",
  "truncate",
  "typical_p",
  "watermark",
]);
/** TGI samples wherever one of these is set, whatever `do_sample` says. */
const SAMPLING = ["temperature", "top_k", "top_p", "typical_p"];
/** Up to here TGI generates in one go; beyond, it may end an answer early and call that `length`. */
const ONE_ALLOTMENT = 1_024;

/** The parameters without their seed. */
export function tgiParameters(shape: CallShape): BodyFields {
  const { generationKwargs, structuredOutput, stream } = shape;
  const { stop_sequences, stop, seed: _seed, ...others } = generationKwargs;
  const parameters: Record<string, unknown> = others;
  // Without `do_sample` temperature 1 would be greedy; without a temperature other routes sample, and so does this one.
  const isSampled = (parameters["temperature"] ?? 1) !== 0 && parameters["do_sample"] !== false;
  parameters["do_sample"] = isSampled;
  if (!isSampled) for (const name of SAMPLING) delete parameters[name];
  // Values that mean the default, and that TGI refuses.
  for (const name of ["top_p", "typical_p"]) if (parameters[name] === 1) delete parameters[name];
  const stops = stop_sequences ?? stop;
  if (stops !== undefined) parameters["stop"] = [stops].flat();
  if (structuredOutput !== null) parameters["grammar"] = tgiGrammar(structuredOutput);
  // The root route would repeat the prompt for some models.
  parameters["return_full_text"] = false;
  if (stream || asksForDetails(generationKwargs)) parameters["details"] = true;
  return parameters;
}

/**
 * Details list every token of an answer, many times its size, so they are asked for only where the finish reason
 * does not follow from the number of tokens. On a stream they come once, at its end.
 */
export function asksForDetails({ max_new_tokens }: BodyFields): boolean {
  return typeof max_new_tokens !== "number" || max_new_tokens > ONE_ALLOTMENT;
}

/** What TGI does with parameters that the user may not expect, as sentences. */
export function tgiAdvice(kwargs: BodyFields): string[] {
  const advice: string[] = [];
  const ignored = Object.keys(kwargs).filter((name) => !KNOWN.has(name) && kwargs[name] !== undefined);
  if (ignored.length > 0) advice.push(`TGI's /generate ignores ${ignored.join(", ")}.`);
  return kwargs["max_new_tokens"] === undefined ? [...advice, ENDLESS] : advice;
}

const ENDLESS = "max_new_tokens is not set: TGI generates until the model stops or the context is full.";
