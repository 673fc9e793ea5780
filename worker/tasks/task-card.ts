/** What a person needs to know of a built-in task before writing a step: it stands beside the task's code. */
import type { ColumnType } from "../../shared/rows/row-schema.ts";
import { jobSpecJsonSchema, schemaAt } from "../../shared/spec/json-schema.ts";

export interface TaskCard {
  /** What the task does with a row: one sentence. */
  readonly does: string;
  /** Columns that it reads, by its own names. */
  readonly inputs: Readonly<Record<string, CardInput>>;
  /** Columns that it adds, by its own names. */
  readonly outputs: Readonly<Record<string, CardOutput>>;
  /** Keys of the step that this task heeds beside those of every step; dotted below the step: `llm.structured_output`. */
  readonly keys: readonly string[];
  /** A whole job spec in YAML that passes the checks as it stands. */
  readonly example: string;
}

/** What a built-in task is made with, beside its step. */
export interface TaskContext {
  /** Where the paths of files start: the spec's folder, or the worker's. */
  readonly folder: string;
}

export interface CardInput {
  /** `one of`: of the inputs that say so, each row must have one. */
  readonly need: "required" | "one of" | "optional";
  readonly does: string;
}

export interface CardOutput {
  /** `inferred` from the first rows. */
  readonly type: ColumnType | "inferred";
  readonly does: string;
}

/** A card with its name, and its keys in the words of the spec's schema. */
export interface TaskDescription extends Omit<TaskCard, "keys"> {
  readonly name: string;
  readonly keys: Readonly<Record<string, string>>;
}

/** Puts the schema's words to the keys. A key that the schema does not know has none, which a test refuses. */
export function describeTask(name: string, card: TaskCard): TaskDescription {
  const schema = jobSpecJsonSchema();
  const keys = card.keys.map((key): [string, string] => {
    const description = schemaAt(schema, ["steps", 0, ...key.split(".")])?.description ?? "";
    // In the schema the task is named, because all tasks' keys stand side by side there.
    const [prefix = "", tasks = ""] = /^([a-z-]+(?:, [a-z-]+)*): /.exec(description) ?? [];
    return [key, tasks.split(", ").includes(name) ? sentence(description.slice(prefix.length)) : description];
  });
  return { name, ...card, keys: Object.fromEntries(keys) };
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
