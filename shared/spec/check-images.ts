/** Rules between the keys of the task that makes images, which has no answer in words. */
import type { StepSpec } from "./job-spec.ts";
import { keyName } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";

export const IMAGE_TASK = "image-generation";

/** What is wrong with such a step; nothing for any other. */
export function imageProblems(step: StepSpec, path: KeyPath): SpecProblem[] {
  if (step.task !== IMAGE_TASK) return [];
  const written = [
    ...(["system_prompt", "reasoning"] as const).map((key): [KeyPath, unknown] => [[key], step[key]]),
    ...LLM_KEYS.map((key): [KeyPath, unknown] => [["llm", key], step.llm?.[key]]),
  ];
  return written
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([keys]) => ({
      path: [...path, ...keys],
      what: `\`${keyName([...path, ...keys])}\` does not go with the task ${IMAGE_TASK}, whose answers are no texts.`,
      mend: "Take it out.",
    }));
}

const LLM_KEYS = [
  "structured_output",
  "stream",
  "tokenizer_id",
  "use_magpie_template",
  "magpie_pre_query_template",
  "use_openai_client",
  "fail_on_length",
  "use_offline_batch_generation",
] as const;
