/** Which keys go with a model that runs in this process: none that say where a server is, or what it is to do. */
import type { LLMSpec } from "./job-spec.ts";
import { isMagpie } from "./magpie-settings.ts";
import { keyName } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";

export const TRANSFORMERS_LLM = "TransformersLLM";

const SERVER_KEYS = [
  "base_url",
  "endpoint_name",
  "endpoint_namespace",
  "endpoint",
  "provider",
  "bill_to",
  "api_key",
  "headers",
  "stream",
  "payload_limit",
  "use_openai_client",
  "use_offline_batch_generation",
  "tokenizer_id",
  "use_magpie_template",
  "magpie_pre_query_template",
] as const;
/** Parameters that servers know and transformers.js does not. */
const UNKNOWN_KWARGS = ["frequency_penalty", "presence_penalty", "seed"] as const;

/** What is wrong with an `llm` of this class; `task` is the step's. */
export function transformersProblems(llm: LLMSpec, task: string, path: KeyPath): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const refuse = (keys: KeyPath, what: string, mend: string): void => {
    problems.push({ path: [...path, ...keys], what: `\`${keyName([...path, ...keys])}\` ${what}`, mend });
  };
  if (llm.model_id === undefined) {
    refuse(["model_id"], "is missing.", "Give a folder with an ONNX model, ./my-model, or a model's name on the Hub.");
  }
  for (const key of SERVER_KEYS) {
    if (llm[key] === undefined || llm[key] === false) continue;
    refuse([key], `does not go with ${TRANSFORMERS_LLM}, which calls no server.`, "Take it out.");
  }
  for (const key of UNKNOWN_KWARGS) {
    if (llm.generation_kwargs[key] === undefined) continue;
    const mend = key === "seed" ? "Set `run.seed`." : "Take it out, or use `repetition_penalty`.";
    refuse(["generation_kwargs", key], `is not known to ${TRANSFORMERS_LLM}.`, mend);
  }
  if (isMagpie(task) || task === "image-generation") {
    refuse(["class"], `does not go with the task ${task}.`, "Use a server: `base_url`.");
  }
  return problems;
}
