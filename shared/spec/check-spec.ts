/** What the schema cannot say: keys that need or exclude each other. */
import { isTidingError, messageOf } from "../errors.ts";
import { compileTemplate } from "../task/template.ts";
import { EMBEDDING_TASK, embeddingProblems } from "./check-embeddings.ts";
import { formedTaskProblems } from "./check-formed-tasks.ts";
import { endpointUseProblems } from "./check-endpoint.ts";
import { batchProblems } from "./check-batches.ts";
import { imageProblems, IMAGE_TASK } from "./check-images.ts";
import { llmProblems } from "./check-llm.ts";
import { magpieProblems, templateProblems } from "./check-magpie.ts";
import { FORMED_TASKS } from "./formed-task-keys.ts";
import type { JobSpec, StepSpec } from "./job-spec.ts";
import { MAGPIE_TASKS } from "./magpie-settings.ts";
import { isModulePath } from "./module-path.ts";
import { nearestName } from "./nearest-name.ts";
import { keyName } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";
import { standardInputProblems } from "./standard-input.ts";

const BUILT_IN_TASKS = [
  "text-generation",
  "structured-generation",
  IMAGE_TASK,
  EMBEDDING_TASK,
  ...FORMED_TASKS,
  ...MAGPIE_TASKS,
];

/** Checks a spec that has passed the schema. */
export function specProblems(spec: JobSpec): SpecProblem[] {
  const ofSteps = spec.steps.flatMap((step, index) => {
    const path = ["steps", index];
    const problems = [
      ...taskProblems(step, path),
      ...formedTaskProblems(step, path),
      ...imageProblems(step, path),
      ...embeddingProblems(step, path),
      ...magpieProblems(spec, step, index),
    ];
    if (step.llm === undefined) return problems;
    const llmPath = [...path, "llm"];
    return [
      ...problems,
      ...llmProblems(step.llm, step.task, llmPath),
      ...templateProblems(step.llm, step.task, llmPath),
    ];
  });
  return [...standardInputProblems(spec.input), ...ofSteps, ...endpointUseProblems(spec.steps), ...batchProblems(spec)];
}

function taskProblems(step: StepSpec, path: KeyPath): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const refuse = (key: string, what: string, mend: string): void => {
    problems.push({ path: [...path, key], what: `\`${keyName([...path, key])}\` ${what}`, mend });
  };
  if (isModulePath(step.task)) {
    const mend = "Hand it to your task under `options`.";
    if (step.template !== undefined) refuse("template", "is for text-generation and structured-generation only.", mend);
    if (step.system_prompt !== undefined) refuse("system_prompt", "is for the built-in tasks only.", mend);
    if (step.reasoning)
      refuse(
        "reasoning",
        "is for text-generation and structured-generation only.",
        "Return the column from your task.",
      );
    return problems;
  }
  if (!BUILT_IN_TASKS.includes(step.task)) {
    const near = nearestName(step.task, BUILT_IN_TASKS);
    const mend =
      near === null
        ? `Write one of ${BUILT_IN_TASKS.join(", ")}, or the path of a module: ./my-task.ts.`
        : `Did you mean \`${near}\`?`;
    refuse("task", `names no task: ${JSON.stringify(step.task)}.`, mend);
    return problems;
  }
  if (step.llm === undefined) {
    refuse(
      "llm",
      `is missing: the task ${step.task} calls a model.`,
      "Add `llm: { base_url: http://127.0.0.1:8080 }`.",
    );
  }
  if (step.options !== undefined) {
    refuse("options", "is for tasks of your own only.", "Give the model's parameters as `llm.generation_kwargs`.");
  }
  if (step.template !== undefined) {
    try {
      compileTemplate(step.template);
    } catch (error) {
      if (!isTidingError(error)) throw error;
      refuse("template", `is not valid: ${messageOf(error)}`, error.mend ?? "");
    }
  }
  return problems;
}
