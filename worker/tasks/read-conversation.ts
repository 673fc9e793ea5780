/** From a row to the conversation that is sent, for tasks that ask for one answer: an instruction, or ready messages. */
import { TidingError } from "../../shared/errors.ts";
import type { RowValues } from "../../shared/rows/row-schema.ts";
import type { StepSpec } from "../../shared/spec/job-spec.ts";
import { compileTemplate } from "../../shared/task/template.ts";
import type { ChatMessage, Task } from "../../shared/task/task.ts";
import { imageUrlOf } from "./read-image.ts";

const OPTIONAL = ["system_prompt", "image"];

export interface ConversationReader {
  /** The columns that it reads. */
  readonly inputs: Pick<Task, "inputs" | "oneOf"> & { readonly optionalInputs: readonly string[] };
  /** Throws or rejects with `ROW_INVALID`. A promise where the row has an image, which may have to be read. */
  readonly read: (row: Readonly<RowValues>) => readonly ChatMessage[] | Promise<readonly ChatMessage[]>;
}

/**
 * The instruction comes from the step's `template`, or from the column `instruction`; without that column, the column
 * `messages` is sent as it stands. A row's `system_prompt` wins over the step's, and a conversation that begins with a
 * system message keeps its own. A row's `image` goes with the last message of the user; files are found from `folder`.
 * Throws `SPEC_INVALID` for a template that does not parse.
 */
export function conversationReader(step: StepSpec, folder: string): ConversationReader {
  const template = step.template === undefined ? null : compileTemplate(step.template);
  const prefersMessages = isMapped(step, "messages");
  // A template that names the column writes it into the text.
  const isWritten = [...(template?.needed ?? []), ...(template?.optional ?? [])].includes("image");

  function instructionOf(row: Readonly<RowValues>): readonly ChatMessage[] {
    if (template !== null) return [{ role: "user", content: requireText(template.render(row), "instruction") }];
    if ("instruction" in row && !prefersMessages) {
      return [{ role: "user", content: requireText(row["instruction"], "instruction") }];
    }
    return requireMessages(row["messages"]);
  }

  function inputsOf(): ConversationReader["inputs"] {
    if (template !== null) return { inputs: template.needed, optionalInputs: [...OPTIONAL, ...template.optional] };
    const optionalInputs = OPTIONAL;
    const mapped = ["messages", "instruction"].find((input) => isMapped(step, input));
    if (mapped !== undefined) return { inputs: [mapped], optionalInputs };
    return { inputs: [], oneOf: ["instruction", "messages"], optionalInputs };
  }

  return {
    inputs: inputsOf(),
    read(row) {
      const messages = instructionOf(row);
      const systemPrompt = systemPromptOf(row, step);
      const hasOwn = systemPrompt === null || messages[0]?.role === "system";
      const whole = hasOwn ? messages : [{ role: "system", content: systemPrompt }, ...messages];
      const image = isWritten ? null : (row["image"] ?? null);
      return image === null ? whole : imageUrlOf(image, folder).then((url) => withImage(whole, url));
    },
  };
}

/** OpenAI's content parts, the text before the image, as distilabel's TextGenerationWithImage has them. */
function withImage(messages: readonly ChatMessage[], url: string | null): readonly ChatMessage[] {
  if (url === null) return messages;
  const at = messages.findLastIndex(({ role }) => role === "user");
  const message = messages[at];
  if (message === undefined) throw invalid("`messages` has no message of the user that the image could go with.");
  const { content } = message;
  const parts: readonly unknown[] = Array.isArray(content) ? content : [{ type: "text", text: content }];
  const part = { type: "image_url", image_url: { url } };
  return messages.with(at, { ...message, content: [...parts, part] });
}

function isMapped(step: StepSpec, input: string): boolean {
  return Object.hasOwn(step.columns ?? {}, input);
}

function systemPromptOf(row: Readonly<RowValues>, step: StepSpec): string | null {
  const own = row["system_prompt"] ?? "";
  if (typeof own !== "string") throw invalid(`\`system_prompt\` must be a text, but is ${kindOf(own)}.`);
  if (own.trim() !== "") return own;
  // Several are Magpie's: the spec's check refuses them here.
  return typeof step.system_prompt === "string" ? step.system_prompt : null;
}

/** Throws `ROW_INVALID` for what is no text, or an empty one; `name` is the column's. */
export function requireText(value: unknown, name: string): string {
  if (typeof value === "string" && value.trim() !== "") return value;
  const isAbsent = value === null || value === undefined || typeof value === "string";
  throw invalid(isAbsent ? `\`${name}\` is empty.` : `\`${name}\` must be a text, but is ${kindOf(value)}.`);
}

/** Keeps further fields of a message (`name`, `tool_calls`), but for the nulls that columnar files put there. */
function requireMessages(value: unknown): readonly ChatMessage[] {
  if (value === null || value === undefined) throw invalid("`messages` is empty.");
  if (!Array.isArray(value)) throw invalid(`\`messages\` must be a list, but is ${kindOf(value)}.`);
  if (value.length === 0) throw invalid("`messages` is an empty list.");
  return value.map((message: unknown, index) => {
    if (typeof message !== "object" || message === null)
      throw invalid(`\`messages.${index}\` is ${kindOf(message)}, not a message.`);
    const { role, content = null, ...others } = message as Readonly<Record<string, unknown>>;
    if (typeof role !== "string" || role === "") throw invalid(`\`messages.${index}\` has no role.`);
    const isContent = typeof content === "string" || (Array.isArray(content) && content.length > 0);
    if (!isContent && !(content === null && role === "assistant")) {
      throw invalid(`\`messages.${index}\` must have a text or content parts, but has ${kindOf(content)}.`);
    }
    return { role, content, ...Object.fromEntries(Object.entries(others).filter(([, field]) => field !== null)) };
  });
}

function invalid(message: string): TidingError {
  return new TidingError("ROW_INVALID", message, {
    mend: "Correct the row, or map another column with the step's `columns`.",
  });
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value === "string" ? "text" : typeof value}`;
}
