/** Jinja templates over a row's columns, compiled once, with the columns that they need. */
import { Template } from "@huggingface/jinja";
import { TidingError, messageOf } from "../errors.ts";
import type { RowValues } from "../rows/row-schema.ts";
import { templateVariables } from "./template-variables.ts";

export interface CompiledTemplate {
  /** Columns that the template cannot do without. */
  readonly needed: readonly string[];
  /** Columns that it asks for with `is defined` or `default(...)`. */
  readonly optional: readonly string[];
  /** Throws `ROW_INVALID` where the row cannot be rendered or all needed columns are empty. */
  readonly render: (row: Readonly<RowValues>) => string;
}

/** Compiles a template. Throws `SPEC_INVALID`. */
export function compileTemplate(source: string): CompiledTemplate {
  let template: Template;
  try {
    template = new Template(source);
  } catch (error) {
    throw new TidingError("SPEC_INVALID", `the Jinja does not parse (${messageOf(error).replace(/\.$/, "")}).`, {
      mend: "Close every {{ }} and {% %}, and end every block.",
      cause: error,
    });
  }
  const { needed, optional } = templateVariables(template.parsed);
  const variables = [...needed, ...optional];

  return {
    needed,
    optional,
    render(row) {
      if (needed.length > 0 && needed.every((name) => isEmpty(row[name]))) {
        throw new TidingError("ROW_INVALID", `All columns that the template needs are empty: ${needed.join(", ")}.`);
      }
      try {
        return template.render(Object.fromEntries(variables.map((name) => [name, renderable(row[name])])));
      } catch (error) {
        throw new TidingError("ROW_INVALID", `The template cannot be rendered: ${messageOf(error).slice(0, 200)}.`, {
          mend: "Check the template's filters and the types of its columns.",
          cause: error,
        });
      }
    },
  };
}

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || (typeof value === "string" && value.trim() === "");
}

/** `@huggingface/jinja` refuses a bigint and renders a Date as {}. */
function renderable(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(renderable);
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, renderable(item)]));
  }
  return value;
}
