/**
 * Magpie's pre-query templates: the header of a user's message, after which an aligned model writes that message.
 *
 * A conversation is rendered with a mark in place of the message that is to come, and cut before the mark. So the header
 * is the template's own on every turn, system prompts stand where the template puts them (Gemma and Mistral merge them
 * into the user's message), and no assistant's header is left dangling, as it is with `add_generation_prompt` and an
 * appended header (distilabel 1.5, `MagpieChatTemplateMixin`).
 */
import { TidingError, isTidingError } from "../../../shared/errors.ts";
import type { ChatMessage } from "../../../shared/task/task.ts";
import type { ChatTemplate } from "./chat-template.ts";

const CHATML = "<|im_start|>user\n";
const LLAMA_3 = "<|start_header_id|>user<|end_header_id|>\n\n";
const GEMMA = "<start_of_turn>user\n";
const MISTRAL = "[INST]";
const GRANITE = "<|start_of_role|>user<|end_of_role|>";
const USER_LINE = "<|user|>\n";

/** The user's header of well-known families, without the token that begins a text. */
export const PRE_QUERY_TEMPLATES: Readonly<Record<string, string>> = {
  llama3: LLAMA_3,
  "llama3.1": LLAMA_3,
  "llama3.2": LLAMA_3,
  "llama3.3": LLAMA_3,
  llama4: "<|header_start|>user<|header_end|>\n\n",
  chatml: CHATML,
  qwen2: CHATML,
  "qwen2.5": CHATML,
  qwen3: CHATML,
  smollm2: CHATML,
  gemma2: GEMMA,
  gemma3: GEMMA,
  mistral: MISTRAL,
  mixtral: MISTRAL,
  phi3: USER_LINE,
  phi4: "<|im_start|>user<|im_sep|>",
  "phi4-mini": "<|user|>",
  granite: GRANITE,
  "granite3.3": GRANITE,
  granite4: GRANITE,
  olmo2: USER_LINE,
  tulu3: USER_LINE,
  "deepseek-v3": "<｜User｜>",
};

/**
 * What `magpie_pre_query_template` means: an alias's text, or the value itself. Null for none, which leaves it to the
 * model's chat template. Throws `SPEC_INVALID` for a plain word that is no alias: no model's header looks like that.
 */
export function preQueryFor(template: string | null): string | null {
  if (template === null) return null;
  const alias = Object.hasOwn(PRE_QUERY_TEMPLATES, template) ? PRE_QUERY_TEMPLATES[template] : undefined;
  if (alias !== undefined) return alias;
  if (!/^[\w.-]*$/.test(template)) return template;
  throw new TidingError("SPEC_INVALID", `No pre-query template is known as ${JSON.stringify(template)}.`, {
    place: "magpie_pre_query_template",
    mend: `Leave it out, so that it is taken from the model's chat template, or give one of ${Object.keys(PRE_QUERY_TEMPLATES).join(", ")}, or the text itself.`,
  });
}

/** Stands for a message that is to come; survives trimming. */
const MARK = "TidingsMarkOfAMessageToCome";

/**
 * The conversation up to where the next message of the user begins.
 * Throws `ROW_INVALID` where the template refuses a user's message there.
 */
export function renderToUserTurn(template: ChatTemplate, messages: readonly ChatMessage[]): string {
  const text = template.render([...messages, { role: "user", content: MARK }], false);
  const end = text.lastIndexOf(MARK);
  if (end === -1) {
    throw new TidingError(
      "ROW_INVALID",
      "The model's chat template leaves out the user's message after this conversation.",
      {
        mend: "See which roles, and in which order, the model's chat template takes.",
      },
    );
  }
  // Mistral's older templates write a space before the message, which its tokens hold themselves.
  return text.slice(0, end).replace(/ +$/, "");
}

/** How a template writes the turns of a conversation; null where it refuses the conversation that would show it. */
export interface TurnTexts {
  /** The header of a user's message, where it can be told from what stands before it. */
  readonly userHeader: string | null;
  /** Between a user's message and the assistant's answer. */
  readonly afterUser: string | null;
  /** Between an assistant's answer and the user's next message. */
  readonly afterAssistant: string | null;
  /** What a conversation begins with before any header: `bosToken` where the template writes it, else empty. */
  readonly opening: string;
}

/** Learns from renderings of a made-up conversation how a template writes turns. */
export function learnTurns(template: ChatTemplate, bosToken: string | null): TurnTexts {
  const [question, answer] = ["TidingsMarkOfAQuestion", "TidingsMarkOfAnAnswer"];
  const user = { role: "user", content: question };
  const assistant = { role: "assistant", content: answer };

  const first = attempt(() => renderToUserTurn(template, []));
  const alone = attempt(() => template.render([user], false));
  const whole = attempt(() => renderToUserTurn(template, [user, assistant]));
  const afterUser = whole === null ? null : between(whole, question, answer);
  const afterAssistant = whole === null ? null : between(whole, answer, null);

  const opening = bosToken !== null && first?.startsWith(bosToken) === true ? bosToken : "";
  const bare = first?.slice(opening.length) ?? null;
  let userHeader: string | null = null;
  if (bare !== null && (afterAssistant === null || afterAssistant.endsWith(bare))) userHeader = bare;
  else if (alone !== null && afterAssistant !== null) {
    // The template opens with a system prompt of its own: what ends every turn tells the header from the turn before.
    const turnEnd = alone.slice(alone.lastIndexOf(question) + question.length);
    if (turnEnd !== "" && afterAssistant.startsWith(turnEnd)) userHeader = afterAssistant.slice(turnEnd.length);
  }
  return { userHeader: userHeader === "" ? null : userHeader, afterUser, afterAssistant, opening };
}

function between(text: string, from: string, to: string | null): string | null {
  const start = text.lastIndexOf(from);
  const end = to === null ? text.length : text.lastIndexOf(to);
  return start === -1 || end < start ? null : text.slice(start + from.length, end);
}

/** Null where the template refuses the conversation, which some do with the made-up ones. */
function attempt(render: () => string): string | null {
  try {
    return render();
  } catch (error) {
    if (isTidingError(error) && error.code === "ROW_INVALID") return null;
    throw error;
  }
}
