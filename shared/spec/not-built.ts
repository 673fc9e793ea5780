/** Keys and values that belong to Tiding's design but are not built yet: refused by name, with what to use meanwhile. */
import { keyName, valueAt } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";

const SPEC_KEYS: Readonly<Record<string, string>> = {
  "output.push_to_hub": "Upload the finished output folder with the Hub's own tools.",
  "run.budget": "Bound the job with `input.limit` and `generation_kwargs.max_new_tokens`.",
  "run.max_cost": "Bound the job with `input.limit` and `generation_kwargs.max_new_tokens`.",
};

const OWN_TASK = "Use text-generation, or a task of your own: ./my-task.ts.";

/** Names as in specs, without hyphens. */
const TASKS: Readonly<Record<string, string>> = {
  ultrafeedback: "Use judge, which scores one answer by one aspect; several steps of it score by several.",
  selfinstruct: OWN_TASK,
};

/** Finds them in a spec that is not validated yet, so that they are never taken for unknown keys. */
export function notBuiltProblems(spec: unknown): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const refuse = (path: KeyPath, what: string, mend: string): void => {
    problems.push({ path, what: `\`${keyName(path)}\`: ${what} not built yet.`, mend, atKey: true });
  };

  for (const [name, mend] of Object.entries(SPEC_KEYS)) {
    const path = name.split(".");
    if (valueAt(spec, path) !== undefined) refuse(path, "this key is", mend);
  }
  for (const [path, value] of textsAt(spec, ["input", "path"])) {
    const scheme = /^([a-z0-9]+):\/\//i.exec(value)?.[1];
    if (scheme !== undefined) refuse(path, `reading ${scheme}:// is`, "Download the files first, and give their path.");
  }

  const steps = valueAt(spec, ["steps"]);
  for (const index of Array.isArray(steps) ? steps.keys() : []) {
    const task = valueAt(spec, ["steps", index, "task"]);
    const mend = typeof task === "string" ? TASKS[task.replaceAll(/[-_]/g, "").toLowerCase()] : undefined;
    if (mend !== undefined) refuse(["steps", index, "task"], `the task ${String(task)} is`, mend);
    refuseInLLM(spec, ["steps", index, "llm"], refuse);
  }
  return problems;
}

function refuseInLLM(spec: unknown, path: KeyPath, refuse: (path: KeyPath, what: string, mend: string) => void): void {
  if (valueAt(spec, [...path, "slots"]) === "auto") {
    refuse([...path, "slots"], "`auto` is", "Give a number; 64 is a good start for one GPU.");
  }
}

function textsAt(spec: unknown, path: KeyPath): [KeyPath, string][] {
  const value = valueAt(spec, path);
  const entries: [KeyPath, unknown][] = Array.isArray(value)
    ? value.map((item, index) => [[...path, index], item])
    : [[path, value]];
  return entries.filter((entry): entry is [KeyPath, string] => typeof entry[1] === "string");
}
