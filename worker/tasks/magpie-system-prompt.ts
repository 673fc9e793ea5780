/** Which system prompt a row's conversation stands under. Pure. */
import { TidingError } from "../../shared/errors.ts";
import type { RowValues } from "../../shared/rows/row-schema.ts";
import type { MagpieSettings, SystemPromptChoice } from "../../shared/spec/magpie-settings.ts";

/** Without it a model that plays the user tends to take leave after its first question. */
const MULTI_TURN_PROMPT =
  "You are an AI assistant in a conversation of several turns. The user opens with a question and then follows up on " +
  "your answers. Answer every message fully and correctly, in the light of all that was said before.";

export interface ChosenSystemPrompt {
  /** Null for none. */
  readonly text: string | null;
  /** Its name in the step's map; null for one that has no name there. */
  readonly key: string | null;
}

/**
 * The row's own; else one of the step's, drawn by weight from `seed` (0 to 2^53-1); else, for several turns, the
 * default; else none. Throws `ROW_INVALID` for one that is no text.
 */
export function systemPromptOf(
  row: Readonly<RowValues>,
  { systemPrompts, turns }: Pick<MagpieSettings, "systemPrompts" | "turns">,
  seed: number,
): ChosenSystemPrompt {
  const own = row["system_prompt"] ?? "";
  if (typeof own !== "string") {
    throw new TidingError("ROW_INVALID", `\`system_prompt\` must be a text, but is a ${typeof own}.`, {
      mend: "Correct the row, or map another column with the step's `columns`.",
    });
  }
  if (own.trim() !== "") return { text: own, key: null };
  if (systemPrompts !== null) return draw(systemPrompts, seed / 2 ** 53);
  return { text: turns > 1 ? MULTI_TURN_PROMPT : null, key: null };
}

/** @param share of all rows, from 0 to below 1 */
function draw(choices: readonly SystemPromptChoice[], share: number): ChosenSystemPrompt {
  let upTo = 0;
  let drawn: ChosenSystemPrompt = { text: null, key: null };
  for (const choice of choices) {
    // A sum of shares may end a little below 1: the last one that can be drawn takes what is left.
    if (choice.weight > 0) drawn = choice;
    upTo += choice.weight;
    if (share < upTo) break;
  }
  return drawn;
}
