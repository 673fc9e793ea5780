/** Pages of docs/ whose tables are written from the code, between `<!-- begin: NAME -->` and `<!-- end: NAME -->`. */
import { DEFINITIONS } from "../../bench/report/definitions.ts";
import { ERROR_CODES, type ErrorClass, type ErrorCode } from "../../shared/errors.ts";
import { jobSpecJsonSchema, type JsonSchema } from "../../shared/spec/json-schema.ts";
import { CLASS_DESCRIPTIONS, ERROR_DESCRIPTIONS } from "./error-descriptions.ts";

export interface Page {
  /** Relative to the project. */
  readonly file: string;
  readonly sections: Readonly<Record<string, string>>;
}

export function writtenPages(): readonly Page[] {
  return [
    { file: "docs/job-spec.md", sections: specTables() },
    { file: "docs/bench.md", sections: { figures: figureTable() } },
    { file: "docs/errors.md", sections: { classes: classTable(), codes: codeTables() } },
  ];
}

/** The page with its sections as they are to be. Throws an Error for a page that lacks a marker. */
export function withSections(text: string, sections: Page["sections"]): string {
  let page = text;
  for (const [name, content] of Object.entries(sections)) {
    const begin = `<!-- begin: ${name} -->`;
    const end = `<!-- end: ${name} -->`;
    const from = page.indexOf(begin);
    const to = page.indexOf(end);
    if (from < 0 || to < from) throw new Error(`The page has no "${begin}" with "${end}" behind it.`);
    page = `${page.slice(0, from + begin.length)}\n\n${content}\n\n${page.slice(to)}`;
  }
  return page;
}

function figureTable(): string {
  const rows = DEFINITIONS.map(({ name, keys, meaning }) => [name, keys.split(", ").map(code).join(", "), meaning]);
  return table(["figure", "in report.json", "meaning"], rows);
}

function classTable(): string {
  const rows = Object.entries(CLASS_DESCRIPTIONS).map(([name, what]) => [code(name), what]);
  return table(["class", "what happens"], rows);
}

function codeTables(): string {
  const codes = Object.entries(ERROR_CODES) as [ErrorCode, ErrorClass][];
  return table(
    ["code", "class", "meaning", "mend"],
    codes.map(([name, errorClass]) => {
      const { meaning, mend } = ERROR_DESCRIPTIONS[name];
      return [code(name), errorClass, meaning, mend];
    }),
  );
}

/** Where each table's keys stand in the schema. */
const SPEC_SECTIONS: Readonly<Record<string, readonly string[]>> = {
  spec: [],
  input: ["input"],
  "input.csv": ["input", "csv"],
  steps: ["steps", "*"],
  llm: ["steps", "*", "llm"],
  generation_kwargs: ["steps", "*", "llm", "generation_kwargs"],
  structured_output: ["steps", "*", "llm", "structured_output"],
  endpoint: ["steps", "*", "llm", "endpoint"],
  output: ["output"],
  run: ["run"],
};

function specTables(): Record<string, string> {
  const root = jobSpecJsonSchema();
  return Object.fromEntries(
    Object.entries(SPEC_SECTIONS).map(([name, path]) => {
      let schema: JsonSchema | undefined = root;
      for (const key of path) schema = key === "*" ? schema?.items : schema?.properties?.[key];
      return [name, keyTable(schema ?? {})];
    }),
  );
}

function keyTable(schema: JsonSchema): string {
  const required = new Set((schema["required"] ?? []) as readonly string[]);
  const rows = Object.entries(schema.properties ?? {}).map(([key, value]) => [
    code(key),
    typeOf(value),
    required.has(key) ? "required" : defaultOf(value),
    value.description ?? "",
  ]);
  return table(["key", "type", "default", "meaning"], rows);
}

function defaultOf({ default: value }: JsonSchema): string {
  return value === undefined || typeof value === "object"
    ? "none"
    : code(typeof value === "string" ? value : JSON.stringify(value));
}

function typeOf(schema: JsonSchema): string {
  if (schema.$ref !== undefined) return "column type";
  if (schema.anyOf !== undefined) {
    const isDuration = schema.anyOf.some(({ pattern }) => String(pattern).includes("ms|s|m|h|d"));
    return isDuration ? "duration" : schema.anyOf.map(typeOf).join(" or ");
  }
  const choices = schema["enum"] as readonly string[] | undefined;
  if (choices !== undefined) return choices.map(code).join(", ");
  switch (schema["type"]) {
    case "array":
      return `list of ${typeOf(schema.items ?? {})}`;
    case "object":
      return mapType(schema);
    case "integer":
      return `integer${rangeOf(schema)}`;
    case "number":
      return `number${rangeOf(schema)}`;
    case "boolean":
      return "true or false";
    default:
      return "text";
  }
}

function mapType({ properties, additionalProperties }: JsonSchema): string {
  if (properties !== undefined) return "map";
  const values = typeof additionalProperties === "object" ? additionalProperties : {};
  return Object.keys(values).length === 0 ? "map" : `map of ${typeOf(values)}`;
}

function rangeOf(schema: JsonSchema): string {
  const bound = (key: string): number | null => (typeof schema[key] === "number" ? schema[key] : null);
  const above = bound("exclusiveMinimum");
  const least = bound("minimum") ?? (above !== null && schema["type"] === "integer" ? above + 1 : null);
  const most = bound("maximum");
  const parts = [
    least === null ? (above === null ? [] : [`above ${above}`]) : [`from ${least}`],
    most === null || most === Number.MAX_SAFE_INTEGER ? [] : [`to ${most}`],
  ].flat();
  return parts.length === 0 ? "" : `, ${parts.join(" ")}`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
