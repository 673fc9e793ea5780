/** From a structured output as people write it to its one canonical form. Pure. */
import type { JsonSchema, StructuredOutput } from "../task/task.ts";

export interface WrittenForm {
  readonly format?: "json" | "regex" | undefined;
  /** A JSON Schema, the JSON text of one, or a regex. */
  readonly schema: string | Readonly<Record<string, unknown>>;
}

/** What a key must hold, to stand behind "must be". */
export interface WrittenFault {
  readonly key: "format" | "schema";
  readonly expected: string;
}

/** The format is told by the schema where it is not given: a text that is no JSON object is a regex. */
export function canonicalForm({ format, schema }: WrittenForm): StructuredOutput | WrittenFault {
  if (typeof schema !== "string") {
    if (format === "regex") return { key: "schema", expected: "a text, because `format` is regex" };
    return { format: "json", schema };
  }
  if (format === "regex") return { format, schema };
  const parsed = jsonObject(schema);
  if (parsed !== null) return { format: "json", schema: parsed };
  if (format === "json") return { key: "schema", expected: "a JSON Schema, as a map or as JSON text" };
  return { format: "regex", schema };
}

/**
 * The form that a row brings: `{ format, schema }` or a schema alone, as an object or as JSON text; or a regex as plain
 * text. Null for a row without one; a sentence for what is none.
 */
export function formOfRow(value: unknown): StructuredOutput | string | null {
  if (value === null || value === undefined || value === "") return null;
  const written = typeof value === "string" ? (jsonObject(value) ?? { schema: value }) : value;
  if (!isObject(written)) return "`structured_output` must be a map or a text.";
  if (!Object.hasOwn(written, "schema")) return { format: "json", schema: written };
  const { format, schema } = written;
  if (format !== "json" && format !== "regex" && format !== undefined && format !== null) {
    return "`structured_output.format` must be json or regex.";
  }
  if (typeof schema !== "string" && !isObject(schema)) return "`structured_output.schema` must be a map or a text.";
  const form = canonicalForm({ format: format ?? undefined, schema });
  return "expected" in form ? `\`structured_output.${form.key}\` must be ${form.expected}.` : form;
}

function jsonObject(text: string): JsonSchema | null {
  if (!text.trimStart().startsWith("{")) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
