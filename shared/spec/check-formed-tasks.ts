/** Rules for the tasks whose answers have a form of their own, and for their keys on other tasks. */
import { FORMED_KEY_TASKS, FORMED_TASKS } from "./formed-task-keys.ts";
import type { StepSpec } from "./job-spec.ts";
import { isModulePath } from "./module-path.ts";
import { keyName } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";

export function formedTaskProblems(step: StepSpec, path: KeyPath): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const refuse = (keys: KeyPath, what: string, mend: string): void => {
    problems.push({ path: [...path, ...keys], what: `\`${keyName([...path, ...keys])}\` ${what}`, mend });
  };
  for (const [key, task] of Object.entries(FORMED_KEY_TASKS) as [keyof typeof FORMED_KEY_TASKS, string][]) {
    if (step[key] === undefined || step.task === task) continue;
    const own = isModulePath(step.task) ? "Hand it to your task under `options`." : "Take it out.";
    refuse([key], `is for the task ${task} only.`, own);
  }
  if (!(FORMED_TASKS as readonly string[]).includes(step.task)) return problems;
  for (const key of ["template", "reasoning"] as const) {
    if (step[key] === undefined || step[key] === false) continue;
    refuse([key], "is for text-generation and structured-generation only.", "Take it out, or use one of those.");
  }
  if (step.llm?.structured_output !== undefined) {
    const mend = "Take it out, or write `task: structured-generation`.";
    refuse(
      ["llm", "structured_output"],
      `does not go with the task ${step.task}, whose answers have its own form.`,
      mend,
    );
  }
  if (step.task === "text-classification") checkLabels(step, refuse);
  return problems;
}

function checkLabels(
  { labels, max_labels: most = 1 }: StepSpec,
  refuse: (keys: KeyPath, what: string, mend: string) => void,
): void {
  if (labels === undefined) return refuse(["labels"], "is missing.", "Add `labels: [first, second]`.");
  const names = Array.isArray(labels) ? labels : Object.keys(labels);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) refuse(["labels"], `names ${JSON.stringify(twice)} twice.`, "Name each label once.");
  if (names.length < 2) refuse(["labels"], "must name two labels at least.", "Add another.");
  if (most > names.length) {
    refuse(["max_labels"], `is ${most}, and there are ${names.length} labels.`, `Give ${names.length} or fewer.`);
  }
}
