/**
 * From a spec file, module or object to a validated spec.
 *
 *   read -> --set -> zod schemas to JSON Schema -> interpolate -> refuse what is not built -> schema -> rules between keys
 *
 * Each stage reports all of its problems at once, with the place of each.
 */
import path from "node:path";
import { TidingError } from "../errors.ts";
import { callExport, loadModule } from "../task/module-code.ts";
import { specProblems } from "./check-spec.ts";
import { interpolateSpec } from "./interpolate.ts";
import type { Environment } from "./interpolate.ts";
import { JobSpec } from "./job-spec.ts";
import type { LoadedSpec } from "./loaded-spec.ts";
import { notBuiltProblems } from "./not-built.ts";
import { openAIProblems, settleOpenAI } from "./openai-llm.ts";
import { inputProblems, settleInput } from "./settle-input.ts";
import { applyOverrides } from "./overrides.ts";
import { schemaProblems } from "./schema-problems.ts";
import { keyName, specError, withValueAt } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";
import { parseSpecText, readSpecText } from "./spec-source.ts";
import type { SpecSource } from "./spec-source.ts";
import { withoutZodSchemas } from "./zod-schema.ts";

export interface LoadSpecOptions {
  /** `key.path=value` texts, applied in order (overrides.ts). */
  readonly overrides?: readonly string[];
  readonly environment: Environment;
}

export interface SpecFromObjectOptions extends LoadSpecOptions {
  /** Relative paths in the spec start here; absolute. */
  readonly folder: string;
  /** Shown in views where the spec has no `name`. Default `job`. */
  readonly name?: string;
}

const TEXT_FILE = /\.(ya?ml|json)$/i;
const MODULE_FILE = /\.[cm]?[jt]s$/i;

/**
 * Loads a job spec from YAML, JSON or a module whose default export is a spec or a function that gives one.
 * Throws `SPEC_UNREADABLE`, `SPEC_INVALID`, `NOT_BUILT` and `MODULE_INVALID`.
 */
export async function loadSpec(specPath: string, options: LoadSpecOptions): Promise<LoadedSpec> {
  const file = path.resolve(specPath);
  const source = await readSource(file, specPath);
  const { spec, written } = validate(source, options);
  const name = spec.name ?? path.basename(file).replace(/\.[^.]+$/, "");
  return { spec, written, name, folder: path.dirname(file), file };
}

/** Validates a spec made in a program, like `loadSpec`. Throws `SPEC_INVALID` and `NOT_BUILT`. */
export function specFromObject(object: unknown, options: SpecFromObjectOptions): LoadedSpec {
  const { spec, written } = validate({ value: object, placeOf: (keys) => keyName(keys) }, options);
  return { spec, written, name: spec.name ?? options.name ?? "job", folder: path.resolve(options.folder), file: null };
}

async function readSource(file: string, name: string): Promise<SpecSource> {
  if (TEXT_FILE.test(file)) return parseSpecText(await readSpecText(file, name), name);
  // A file that is missing matters more than what it is called.
  await readSpecText(file, name);
  if (!MODULE_FILE.test(file)) {
    throw new TidingError("SPEC_UNREADABLE", `${name} is not a kind of file that holds a spec.`, {
      place: name,
      mend: "Name it .yaml, .yml or .json, or .ts, .mts, .js or .mjs for a module.",
    });
  }
  const { exported } = await loadModule(file, { name });
  const value: unknown = typeof exported === "function" ? await callExport(exported, { name }) : exported;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TidingError("MODULE_INVALID", `The module ${name} must export a job spec by default.`, {
      place: name,
      mend: "Write `export default defineJob({ ... })`, or export a function that returns a spec.",
    });
  }
  return { value, placeOf: () => name };
}

function validate(read: SpecSource, options: LoadSpecOptions): { spec: JobSpec; written: unknown } {
  const source = applyOverrides(read, options.overrides ?? []);
  const placed = (problem: SpecProblem) => ({ ...problem, place: source.placeOf(problem.path, problem.atKey) });
  const schemas = withoutZodSchemas(source.value);
  if (schemas.problems.length > 0) throw specError("SPEC_INVALID", schemas.problems.map(placed));
  const { value, problems, typed } = interpolateSpec(schemas.value, options.environment);

  const notBuilt = notBuiltProblems(value);
  if (notBuilt.length > 0) throw specError("NOT_BUILT", notBuilt.map(placed));

  const { parsed, parsedValue } = parse(value, typed);
  const faulty = new Set(problems.map((problem) => keyName(problem.path)));
  const rejected = [
    ...inputProblems(parsedValue),
    ...(parsed.success ? problemsOf(parsed.data) : schemaProblems(parsed.error.issues, parsedValue)),
  ];
  const all = [...problems, ...rejected.filter((problem) => !faulty.has(keyName(problem.path)))];
  if (all.length > 0) throw specError("SPEC_INVALID", all.map(placed));
  if (!parsed.success) throw parsed.error;
  return { spec: settleInput(settleOpenAI(parsed.data)), written: parsedValue };
}

function problemsOf(spec: JobSpec): SpecProblem[] {
  return [...openAIProblems(spec), ...specProblems(settleOpenAI(spec))];
}

/** A reference that reads as a number is one, unless the schema wants a text there: `name: ${BUILD}`. */
function parse(
  value: unknown,
  typed: ReadonlyMap<string, string>,
): { parsed: ReturnType<typeof JobSpec.safeParse>; parsedValue: unknown } {
  const parsed = JobSpec.safeParse(value);
  if (parsed.success || typed.size === 0) return { parsed, parsedValue: value };
  let parsedValue = value;
  for (const issue of parsed.error.issues) {
    const keys = issue.path as KeyPath;
    const text = typed.get(keyName(keys));
    if (text !== undefined) parsedValue = withValueAt(parsedValue, keys, text);
  }
  return { parsed: JobSpec.safeParse(parsedValue), parsedValue };
}
