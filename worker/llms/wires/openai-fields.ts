/** Fields that OpenAI's chat and completions routes share. */
import type { BodyFields } from "./wire.ts";

/** `generation_kwargs` by OpenAI's names; those that are not known here as they are. */
export function samplingFields(kwargs: BodyFields, { isTgi }: { readonly isTgi: boolean }): BodyFields {
  const { max_new_tokens, stop_sequences, seed: _seed, ...others } = kwargs;
  const fields: Record<string, unknown> = others;
  if (max_new_tokens !== undefined) fields["max_tokens"] = max_new_tokens;
  if (stop_sequences !== undefined) fields["stop"] = stop_sequences;
  // TGI refuses top_p 1, which is its default (`validation.rs`, router v3.3, for chat as for /generate).
  if (isTgi && fields["top_p"] === 1) delete fields["top_p"];
  return fields;
}
