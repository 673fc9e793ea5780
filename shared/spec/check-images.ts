/** Rules between the keys of the task that makes images, which has no answer in words. */
import type { StepSpec } from "./job-spec.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";
import { textOnlyProblems } from "./text-only-keys.ts";

export const IMAGE_TASK = "image-generation";

/** What is wrong with such a step; nothing for any other. */
export function imageProblems(step: StepSpec, path: KeyPath): SpecProblem[] {
  return step.task === IMAGE_TASK ? textOnlyProblems(step, path, ["system_prompt", "reasoning"]) : [];
}
