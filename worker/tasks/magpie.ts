/**
 * Magpie: the model writes the user's messages as well as the answers, from nothing but its own chat template.
 *
 *   [system] -> user -> assistant -> user -> assistant ...
 *
 * Each message is one call; the calls of a row follow one another and never wait for other rows. A call that fails fails
 * its row: a conversation is never gone on with by the wrong speaker. The idea: Xu et al., arXiv:2406.08464; keys and
 * columns are those of distilabel's tasks Magpie and MagpieGenerator.
 */
import { TidingError } from "../../shared/errors.ts";
import type { ColumnType, RowValues } from "../../shared/rows/row-schema.ts";
import type { StepSpec } from "../../shared/spec/job-spec.ts";
import { isGenerator, magpieSettings, type MagpieSettings } from "../../shared/spec/magpie-settings.ts";
import type { Task, TaskLLM } from "../../shared/task/task.ts";
import { systemPromptOf } from "./magpie-system-prompt.ts";
import { userMessageOf } from "./magpie-user-message.ts";

/** A model may end the user's turn before it began; that many tries tell bad luck from a wrong template. */
const MOST_ASKS = 3;

type Message = { readonly role: "system" | "user" | "assistant"; readonly content: string };

const CONVERSATION: ColumnType = { list: { struct: { role: "string", content: "string" } } };

/**
 * Makes the task from its step; `magpie-generator` is the same over rows without columns. The columns follow from the
 * step alone: `instruction`; or `instruction` and `response`; or `conversation`. A row fails with `NO_INSTRUCTION` where
 * the model writes nothing for the user, and with `ROW_INVALID` for a `system_prompt` that is no text.
 */
export function magpie(step: StepSpec): Task {
  const settings = magpieSettings(step);
  return {
    inputs: [],
    optionalInputs: isGenerator(step.task) ? [] : ["system_prompt"],
    outputs: {
      ...messageColumns(settings),
      ...(settings.namesSystemPrompts ? { system_prompt_key: "string" } : {}),
      model_name: "string",
    },
    async run({ row, llm, seed }) {
      const { text, key } = systemPromptOf(row, settings, seed);
      const system: readonly Message[] = text === null ? [] : [{ role: "system", content: text }];
      const messages = await converse(llm, system, settings);
      return {
        ...messageValues(messages, system, settings),
        ...(settings.namesSystemPrompts ? { system_prompt_key: key } : {}),
        model_name: llm.modelName,
      };
    },
  };
}

async function converse(
  llm: TaskLLM,
  system: readonly Message[],
  { turns, endsWithUser, onlyInstruction }: MagpieSettings,
): Promise<readonly Message[]> {
  const messages: Message[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    messages.push({ role: "user", content: await askUser(llm, [...system, ...messages], turn) });
    if (onlyInstruction || (endsWithUser && turn === turns - 1)) break;
    const { text } = await llm.generate([...system, ...messages], { turn });
    messages.push({ role: "assistant", content: text });
  }
  return messages;
}

/** Each try is a call of its own, with a seed of its own, and is recorded like any other. */
async function askUser(llm: TaskLLM, messages: readonly Message[], turn: number): Promise<string> {
  let written = "";
  for (let ask = 0; ask < MOST_ASKS; ask += 1) {
    written = (await llm.generate(messages, { preQuery: true, turn, asking: ask })).text;
    const message = userMessageOf(written);
    if (message !== "") return message;
  }
  throw new TidingError(
    "NO_INSTRUCTION",
    `The model wrote no message for the user in turn ${turn + 1}, asked ${MOST_ASKS} times.`,
    {
      mend: "Check that `tokenizer_id` is the served model's; raise `temperature`, then run the row again.",
      rawResponse: written,
    },
  );
}

function isConversation({ turns, endsWithUser, includesSystemPrompt, onlyInstruction }: MagpieSettings): boolean {
  return !onlyInstruction && (turns > 1 || endsWithUser || includesSystemPrompt);
}

function messageColumns(settings: MagpieSettings): Record<string, ColumnType> {
  if (isConversation(settings)) return { conversation: CONVERSATION };
  return { instruction: "string", ...(settings.onlyInstruction ? {} : { response: "string" }) };
}

function messageValues(messages: readonly Message[], system: readonly Message[], settings: MagpieSettings): RowValues {
  if (isConversation(settings)) {
    return { conversation: settings.includesSystemPrompt ? [...system, ...messages] : messages };
  }
  const [instruction, response] = messages.map(({ content }) => content);
  return settings.onlyInstruction ? { instruction } : { instruction, response };
}
