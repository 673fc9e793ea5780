/** The input of a job: files, or rows that are generated. */
import type { JobSpec } from "./job-spec.ts";
import { isGenerator } from "./magpie-settings.ts";
import { keyName, valueAt } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";

const FILE_KEYS = ["format", "columns", "types", "strict", "csv"];

/**
 * Rules for `input`, of a spec that may not have passed the schema: what is missing is told together with what is wrong
 * elsewhere.
 */
export function inputProblems(spec: unknown): SpecProblem[] {
  const input = valueAt(spec, ["input"]);
  if (typeof spec !== "object" || spec === null || Array.isArray(spec) || !isMap(input)) return [];
  const has = (key: string): boolean => valueAt(input, [key]) !== undefined;
  const refuse = (path: KeyPath, what: string, mend: string): SpecProblem => ({
    path,
    what: `\`${keyName(path)}\` ${what}`,
    mend,
  });
  if (!has("generate")) {
    const firstTask = valueAt(spec, ["steps", 0, "task"]);
    if (has("path") || (typeof firstTask === "string" && isGenerator(firstTask))) return [];
    const mend = "Add `path`, a file, a glob, or a list of them; or `generate: { rows: N }` for rows without columns.";
    return input === undefined
      ? [refuse(["input"], "is missing.", "Add `input: { path: rows.jsonl }`, the rows to work on.")]
      : [refuse(["input", "path"], "is missing.", mend)];
  }
  if (has("path")) {
    return [refuse(["input", "generate"], "and `input.path` exclude each other.", "Take one of the two out.")];
  }
  return FILE_KEYS.filter(has).map((key) =>
    refuse(["input", key], "is for files, and generated rows have no columns.", "Take it out."),
  );
}

function isMap(value: unknown): boolean {
  return value === undefined || (typeof value === "object" && value !== null && !Array.isArray(value));
}

/**
 * A valid spec as it runs: `num_rows` becomes the input that it stands for, and the number of generated rows a limit, so
 * that raising it extends the job as a limit does.
 */
export function settleInput(spec: JobSpec): JobSpec {
  const { input, steps } = spec;
  const generate = input.generate ?? generatedBy(steps[0]);
  if (input.path !== undefined || generate === undefined) return spec;
  const limit = Math.max(0, Math.min(input.limit ?? Infinity, generate.rows - input.offset));
  return { ...spec, input: { ...input, generate, limit } };
}

/** The key of a settled spec that says how many rows there are to be. */
export function limitKey({ input, steps }: JobSpec): string {
  const { generate, limit, offset } = input;
  if (generate === undefined || limit !== generate.rows - offset) return "input.limit";
  return steps[0]?.num_rows === undefined ? "input.generate.rows" : "steps.0.num_rows";
}

function generatedBy(step: JobSpec["steps"][number] | undefined): JobSpec["input"]["generate"] {
  return step?.num_rows === undefined ? undefined : { rows: step.num_rows };
}
