/** What a step cannot say where its answers are no texts: keys about the prompt, the form and the length of texts. */
import type { StepSpec } from "./job-spec.ts";
import { keyName } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";

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

/** Refuses `stepKeys` of the step, and such keys of its `llm`. */
export function textOnlyProblems(
  step: StepSpec,
  path: KeyPath,
  stepKeys: readonly ("system_prompt" | "template" | "reasoning")[],
): SpecProblem[] {
  const written = [
    ...stepKeys.map((key): [KeyPath, unknown] => [[key], step[key]]),
    ...LLM_KEYS.map((key): [KeyPath, unknown] => [["llm", key], step.llm?.[key]]),
  ];
  return written
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([keys]) => ({
      path: [...path, ...keys],
      what: `\`${keyName([...path, ...keys])}\` does not go with the task ${step.task}, whose answers are no texts.`,
      mend: "Take it out.",
    }));
}
