/** Tasks whose answers have a form of their own: such a task says what to ask and in which schema, and nothing else. */
import { TidingError } from "../../shared/errors.ts";
import type { ColumnType, RowValues } from "../../shared/rows/row-schema.ts";
import type { StepSpec } from "../../shared/spec/job-spec.ts";
import { project, structOf } from "../../shared/structured/column-type.ts";
import type { ChatMessage, JsonSchema, StructuredOutput, Task, TaskRun } from "../../shared/task/task.ts";

/** The properties of an answer, each a column; all required, in the order in which the model writes them. */
export type AnswerProperties = Readonly<Record<string, JsonSchema>>;

/** A question whose answers are JSON with these properties. */
export interface FormedQuestion {
  /** Typed as the schema says. */
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** Asks it, with a system prompt before it. Rejects as `llm.generate` does. */
  ask(
    llm: TaskRun["llm"],
    prompts: { readonly system: string; readonly user: string; readonly turn?: number },
  ): Promise<RowValues>;
}

export function formedQuestion(properties: AnswerProperties): FormedQuestion {
  const schema = { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
  const structuredOutput: StructuredOutput = { format: "json", schema };
  const type = structOf(schema);
  if (type === null || typeof type === "string" || !("struct" in type)) {
    throw new TidingError("INTERNAL", "A task's own schema has no columns.");
  }
  return {
    columns: type.struct,
    async ask(llm, { system, user, turn = 0 }) {
      const messages: readonly ChatMessage[] = [
        { role: "system", content: system },
        { role: "user", content: user },
      ];
      const { value } = await llm.generate(messages, { structuredOutput, turn });
      return project(type, value) as RowValues;
    },
  };
}

/** A task of one question: a step's `system_prompt` takes the place of the task's own. */
export function formedTask(
  step: StepSpec,
  of: {
    /** Columns of text, all required. */
    readonly inputs: readonly string[];
    readonly system: string;
    /** The user's message; the texts stand under the inputs' names. */
    readonly user: (texts: Readonly<Record<string, string>>) => string;
    readonly answer: AnswerProperties;
  },
): Task {
  const question = formedQuestion(of.answer);
  const system = systemPromptOf(step) ?? of.system;
  return {
    inputs: of.inputs,
    outputs: { ...question.columns, model_name: "string" },
    async run({ row, llm }) {
      const texts = Object.fromEntries(of.inputs.map((name) => [name, textOf(row, name)]));
      return { ...(await question.ask(llm, { system, user: of.user(texts) })), model_name: llm.modelName };
    },
  };
}

/** Several are Magpie's: the spec's check refuses them here. */
export function systemPromptOf({ system_prompt: written }: StepSpec): string | null {
  return typeof written === "string" ? written : null;
}

/** Throws `ROW_INVALID` for what is no text, or an empty one. */
export function textOf(row: Readonly<RowValues>, name: string): string {
  const value = row[name] ?? "";
  if (typeof value === "string" && value.trim() !== "") return value;
  throw new TidingError("ROW_INVALID", `\`${name}\` ${value === "" ? "is empty" : "must be a text"}.`, {
    mend: "Correct the row, or map another column with the step's `columns`.",
  });
}
