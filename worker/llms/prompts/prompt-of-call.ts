/** What a call sends as its prompt, where it takes the prompt wire of its endpoint. */
import { TidingError } from "../../../shared/errors.ts";
import type { LLMCall } from "../llm.ts";
import type { RecognisedServer } from "../recognise-server.ts";
import type { PromptWire } from "../wires/wire.ts";
import type { PromptRenderer } from "./prompt-renderer.ts";
import { requireTexts } from "./require-texts.ts";

/** Each null where there is none. */
interface Means {
  readonly wire: PromptWire | null;
  readonly renderer: PromptRenderer | null;
}

/**
 * The prompt to send, or null where the server's chat route is to make one. Throws what the renderer throws,
 * `ROW_INVALID` for a message with an image, and `SPEC_INVALID` for a message of the user's that the model is to write without one.
 */
export function promptOf(
  { input, preQuery }: Pick<LLMCall, "input" | "preQuery">,
  { wire, renderer }: Means,
): string | null {
  if (preQuery && (wire === null || renderer === null)) {
    throw new TidingError("SPEC_INVALID", "No server writes a user's message over its chat route.", {
      place: "tokenizer_id",
      mend: "Set tokenizer_id to the model's repository or folder, so that its chat template is applied here.",
    });
  }
  if (wire === null) return null;
  if (typeof input === "string") return input;
  if (renderer === null) return null;
  requireTexts(input);
  const prompt = renderer.render(input, { preQuery });
  const { bosToken } = renderer;
  const isDoubled = wire.addsSpecialTokens && bosToken !== null && prompt.startsWith(bosToken);
  return isDoubled ? prompt.slice(bosToken.length) : prompt;
}

/**
 * A row that has no room fails here, before it is sent. TGI wants room for all of `max_new_tokens` (`validation.rs`). The
 * others are held to what all of them refuse, a prompt that leaves no token: vLLM 0.32 answers with what room there is
 * (test/fixtures/vllm/completion-nearly-full.json, completion-full.json), where 0.27 refused; llama.cpp's server looks at
 * the prompt alone (`server-context.cpp`: `n_tokens() >= slot.n_ctx`); SGLang refuses unless it was started with
 * `--allow-auto-truncate` (`tokenizer_manager.py`). Their own refusal costs nothing either.
 * Null where nothing is to be waited for; rejects as `PromptRenderer.checkRoom`.
 */
export function checkRoom(
  prompt: string,
  { generationKwargs }: Pick<LLMCall, "generationKwargs">,
  {
    server: { limits, isTgi },
    renderer,
  }: { readonly server: Pick<RecognisedServer, "limits" | "isTgi">; readonly renderer: PromptRenderer | null },
): Promise<void> | null {
  const { maxTotalTokens: contextTokens } = limits;
  if (renderer === null || contextTokens === null) return null;
  const { max_new_tokens: most } = generationKwargs;
  return renderer.checkRoom(prompt, { contextTokens, answerTokens: isTgi && typeof most === "number" ? most : 1 });
}
