/** The keys of a step that the tasks `magpie` and `magpie-generator` take, by distilabel's names. */
import { z } from "zod";

const Prompt = z.string().min(1);
const Weight = z.number().nonnegative();

/** One text, or several of which each row draws one: a list, or a map of names with or without weights. */
export const SystemPrompts = z.union([
  z.string(),
  z.array(Prompt).min(1),
  z.record(
    z.string(),
    z.union([
      Prompt,
      z.tuple([Prompt, Weight]),
      z.strictObject({
        prompt: Prompt.describe("The system prompt."),
        weight: Weight.describe("Share of the rows that draw it; all together make 1."),
      }),
    ]),
  ),
]);
export type SystemPrompts = z.output<typeof SystemPrompts>;

/** Without defaults: a key that is set at all is refused for other tasks. `magpieSettings` fills them in. */
export const MAGPIE_STEP_KEYS = {
  n_turns: z
    .int()
    .positive()
    .max(1_000)
    .optional()
    .describe(
      "magpie, magpie-generator: turns of a conversation, each a message of the user and an answer; 1 when absent.",
    ),
  end_with_user: z
    .boolean()
    .optional()
    .describe("magpie, magpie-generator: leave out the last answer, so that the conversation ends with the user."),
  include_system_prompt: z
    .boolean()
    .optional()
    .describe("magpie, magpie-generator: keep the system prompt as the conversation's first message."),
  only_instruction: z
    .boolean()
    .optional()
    .describe("magpie, magpie-generator: make one message of the user, and no answer."),
  num_rows: z
    .int()
    .nonnegative()
    .optional()
    .describe("magpie-generator: rows to make, in place of an `input`. Raising it later extends the job."),
};

export const MAGPIE_LLM_KEYS = {
  tokenizer_id: z
    .string()
    .min(1)
    .optional()
    .describe("Render prompts here, with this tokenizer's chat template: its name on the Hub, or its folder."),
  use_magpie_template: z
    .boolean()
    .optional()
    .describe("Let the model write the user's messages. The tasks magpie and magpie-generator do so by themselves."),
  magpie_pre_query_template: z
    .string()
    .min(1)
    .optional()
    .describe(
      "What stands before a message of the user: llama3, qwen2, or the text itself. Found from the chat template when absent.",
    ),
};
