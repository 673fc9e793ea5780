/** Rules between the keys of the task that makes embeddings, which has no answer in words. */
import { endpointKind } from "./check-endpoint.ts";
import { TRANSFORMERS_LLM } from "./check-transformers.ts";
import type { StepSpec } from "./job-spec.ts";
import { isModulePath } from "./module-path.ts";
import { keyName } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";
import { textOnlyProblems } from "./text-only-keys.ts";

export const EMBEDDING_TASK = "generate-embeddings";

/** What is wrong with such a step; nothing for any other. */
export function embeddingProblems(step: StepSpec, path: KeyPath): SpecProblem[] {
  if (step.task !== EMBEDDING_TASK) return [];
  const problems = textOnlyProblems(step, path, ["system_prompt", "template", "reasoning"]);
  const refuse = (keys: KeyPath, what: string, mend: string): void => {
    problems.push({ path: [...path, ...keys], what: `\`${keyName([...path, ...keys])}\` ${what}`, mend });
  };
  if (step.num_generations > 1) {
    refuse(["num_generations"], "asks for one and the same embedding several times.", "Take it out.");
  }
  const { class: name = "" } = step.llm ?? {};
  const isCustom = name === TRANSFORMERS_LLM || isModulePath(name);
  if (step.llm !== undefined && !isCustom && endpointKind(step.llm) === "serverless") {
    const mend = "Give `base_url` or `endpoint_name`: a server for embeddings, such as Text Embeddings Inference.";
    refuse(["llm", "model_id"], "alone means the Hub's providers, who are not asked for embeddings.", mend);
  }
  return problems;
}
