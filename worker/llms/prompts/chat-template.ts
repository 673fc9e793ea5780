/** A model's chat template, compiled once: from a conversation to the text that the model reads. */
import { TidingError, messageOf } from "../../../shared/errors.ts";
import type { ChatMessage } from "../../../shared/task/task.ts";
import { PreparedTemplate } from "./prepared-template.ts";
import type { NamedTokens } from "./special-tokens.ts";

/**
 * The date that templates find today to be: Llama's own, for where no clock is at hand (meta-llama/Llama-3.1, its
 * template). A row's prompt must not depend on the day, or a job that is resumed would be another one.
 */
const TODAY = new Date(Date.UTC(2024, 6, 26));

export class ChatTemplate {
  readonly #template: PreparedTemplate;

  /** Throws `TOKENIZER_UNUSABLE` where the template does not parse. */
  constructor(source: string, tokens: NamedTokens) {
    // What transformers passes for a plain conversation (`apply_chat_template`, 5.x).
    const constants = { tools: null, documents: null, strftime_now: dateText, ...tokens };
    const variables = ["messages", "add_generation_prompt"];
    try {
      this.#template = new PreparedTemplate(source, { constants, variables });
    } catch (error) {
      throw new TidingError("TOKENIZER_UNUSABLE", `The chat template does not parse (${firstLine(error)}).`, {
        place: "tokenizer_id",
        mend: "Give a folder with the tokenizer's files and a chat_template.jinja that does without what the message names.",
        cause: error,
      });
    }
  }

  /** Throws `ROW_INVALID` for a conversation that the template refuses or cannot show. */
  render(messages: readonly ChatMessage[], addGenerationPrompt: boolean): string {
    const variables = { messages: messages.map(shown), add_generation_prompt: addGenerationPrompt };
    try {
      return this.#template.render(variables);
    } catch (error) {
      throw new TidingError("ROW_INVALID", `The model's chat template refuses the conversation: ${firstLine(error)}.`, {
        mend: "See which roles, and in which order, the model's chat template takes.",
        cause: error,
      });
    }
  }
}

/** Texts alone: every template takes a text, not every one takes parts, and a prompt can hold no image. */
function shown(message: ChatMessage): ChatMessage {
  const { content } = message;
  if (!Array.isArray(content)) return message;
  const texts = content.map((part: { readonly text?: unknown } | null) => part?.text);
  if (!texts.every((text) => typeof text === "string")) {
    throw new TidingError(
      "ROW_INVALID",
      "A prompt that is rendered here cannot hold images or other parts than texts.",
      {
        mend: "Leave tokenizer_id out, so that the conversation goes to the server as it is.",
      },
    );
  }
  return { ...message, content: texts.join("\n") };
}

const dateTexts = new Map<string, string>();

/** Kept by format: `Intl` costs as much as all the rest of a rendering. */
function dateText(format: string): string {
  let text = dateTexts.get(format);
  if (text === undefined) dateTexts.set(format, (text = formatDate(format)));
  return text;
}

/** Python's strftime as far as chat templates use it. */
function formatDate(format: string): string {
  const part = (options: Intl.DateTimeFormatOptions): string =>
    new Intl.DateTimeFormat("en-US", { ...options, timeZone: "UTC" }).format(TODAY);
  const two = (value: number): string => String(value).padStart(2, "0");
  return format.replace(/%[-]?[A-Za-z%]/g, (token) => {
    switch (token.replace("-", "")) {
      case "%Y":
        return String(TODAY.getUTCFullYear());
      case "%m":
        return two(TODAY.getUTCMonth() + 1);
      case "%d":
        return two(TODAY.getUTCDate());
      case "%b":
        return part({ month: "short" });
      case "%B":
        return part({ month: "long" });
      case "%a":
        return part({ weekday: "short" });
      case "%A":
        return part({ weekday: "long" });
      case "%H":
      case "%M":
      case "%S":
        return "00";
      case "%%":
        return "%";
      default:
        throw new Error(`a date format that is not known: ${token}`);
    }
  });
}

function firstLine(error: unknown): string {
  return (messageOf(error).split("\n", 1)[0] ?? "").slice(0, 200).replace(/\.$/, "");
}
