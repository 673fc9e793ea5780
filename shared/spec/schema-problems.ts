/** Turns zod's issues into sentences: what was expected, what came, and what to write instead. */
import type { z } from "zod";
import { jobSpecJsonSchema, keyPlaces, schemaAt } from "./json-schema.ts";
import type { JsonSchema } from "./json-schema.ts";
import { nearestName } from "./nearest-name.ts";
import { isSecret, keyName, shown, valueAt } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";

type Issue = z.core.$ZodIssue;

/** One problem for each wrong value, missing key and unknown key. */
export function schemaProblems(issues: readonly Issue[], spec: unknown): SpecProblem[] {
  const schema = jobSpecJsonSchema();
  return issues.flatMap((issue) => {
    const { path, innermost } = deepest(issue);
    if (innermost.code === "unrecognized_keys") return innermost.keys.map((key) => unknownKey(schema, path, key));
    return [wrongValue(schema, path, innermost, valueAt(spec, path))];
  });
}

/** A union whose value got further into one branch than into the others was meant as that branch. */
function deepest(issue: Issue): { path: KeyPath; innermost: Issue } {
  const path = issue.path as KeyPath;
  if (issue.code !== "invalid_union") return { path, innermost: issue };
  const inner = issue.errors
    .flat()
    .find((candidate) => candidate.path.length > 0 || candidate.code === "unrecognized_keys");
  if (inner === undefined) return { path, innermost: issue };
  const below = deepest(inner);
  return { path: [...path, ...below.path], innermost: below.innermost };
}

function unknownKey(schema: JsonSchema, parent: KeyPath, key: string): SpecProblem {
  const here = Object.keys(schemaAt(schema, parent)?.properties ?? {});
  const near = nearestName(key, here);
  const places = keyPlaces(schema);
  const elsewhere = near === null ? (places.get(key) ?? places.get(nearestName(key, places.keys()) ?? "")) : undefined;
  let mend = `Known keys here: ${here.join(", ")}.`;
  if (near !== null) mend = `Did you mean \`${near}\`?`;
  else if (elsewhere !== undefined) mend = `Did you mean ${elsewhere.map((place) => `\`${place}\``).join(" or ")}?`;
  const path = [...parent, key];
  return { path, what: `\`${keyName(path)}\` is not a key of the spec.`, mend, atKey: true };
}

function wrongValue(schema: JsonSchema, path: KeyPath, issue: Issue, value: unknown): SpecProblem {
  const key = path.at(-1);
  const { description, type } = schemaAt(schema, path) ?? {};
  const expected = type === "integer" && issue.code === "invalid_type" ? "a whole number" : expectedBy(issue);
  if (value === undefined) {
    const mend = `Add \`${key}\`${description === undefined ? `, ${expected}.` : `: ${description}`}`;
    return { path, what: `\`${keyName(path)}\` is missing.`, mend };
  }
  const name = path.length === 0 ? "The spec" : `\`${keyName(path)}\``;
  const what = `${name} must be ${expected}, but is ${shown(value, path)}.`;
  return { path, what, mend: mendOf(issue, path, value) ?? description ?? "" };
}

function mendOf(issue: Issue, path: KeyPath, value: unknown): string | null {
  if (path.length === 0) return "Begin with the keys `input`, `steps` and `output`.";
  if (value === null) return "Give it a value, or take the key out.";
  if (path.at(-1) === "api_key") return "Put the key into an environment variable, and write api_key: ${NAME}.";
  if (typeof value !== "string" || isSecret(path)) return null;
  const isQuoted = issue.code === "invalid_type" && QUOTED[issue.expected]?.test(value) === true;
  if (isQuoted) return `Write ${value} without quotes.`;
  const near = nearestName(value, choicesOf(issue));
  return near === null ? null : `Did you mean \`${near}\`?`;
}

const NUMBER = /^-?\d+(\.\d+)?$/;
const QUOTED: Readonly<Record<string, RegExp>> = { number: NUMBER, int: NUMBER, boolean: /^(true|false)$/ };

function choicesOf(issue: Issue): string[] {
  if (issue.code === "invalid_value") return issue.values.map(String);
  return issue.code === "invalid_union" ? issue.errors.flat().flatMap(choicesOf) : [];
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  number: "a number",
  int: "a whole number",
  string: "a text",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "a map of keys",
  record: "a map of keys",
};

function expectedBy(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return TYPE_NAMES[issue.expected] ?? issue.expected;
    case "invalid_value":
      return `${issue.values.length > 1 ? "one of " : ""}${issue.values.join(", ")}`;
    case "invalid_format":
      return issue.format === "url" ? "a URL such as http://127.0.0.1:8080" : issue.message;
    case "too_small":
      if (issue.origin === "array") return `a list with at least ${issue.minimum} entry`;
      if (issue.origin === "string") return "a text that is not empty";
      return `${issue.inclusive === true ? "at least" : "more than"} ${issue.minimum}`;
    case "too_big":
      if (issue.origin === "string") return `a text of at most ${issue.maximum} characters`;
      return `${issue.inclusive === true ? "at most" : "less than"} ${issue.maximum}`;
    case "invalid_union":
      return [...new Set(issue.errors.flat().map(expectedBy))].join(" or ");
    default:
      return issue.message;
  }
}
