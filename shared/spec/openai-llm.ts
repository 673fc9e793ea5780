/**
 * `class: OpenAILLM`, a name that users of distilabel know: the one client, told that its server is OpenAI's or speaks OpenAI's
 * API, with the defaults that distilabel's class has (1.5, `OpenAILLM`: `base_url`, `api_key` from `OPENAI_API_KEY`).
 */
import type { JobSpec, LLMSpec } from "./job-spec.ts";
import { keyName } from "./spec-problem.ts";
import type { SpecProblem } from "./spec-problem.ts";

export const OPENAI_LLM = "OpenAILLM";

const BASE_URL = "https://api.openai.com/v1";
const API_KEY = "${OPENAI_API_KEY}";

/** Keys that name a model elsewhere, or that the chat route has no use for. */
const OTHERS = ["endpoint_name", "endpoint_namespace", "endpoint", "provider", "bill_to", "use_openai_client"] as const;

/** What is wrong with the keys of such an `llm`, of a spec that has passed the schema and is not settled yet. */
export function openAIProblems({ steps }: JobSpec): SpecProblem[] {
  const problems: SpecProblem[] = [];
  for (const [index, { llm }] of steps.entries()) {
    if (llm?.class !== OPENAI_LLM) continue;
    const refuse = (key: string, what: string, mend: string): void => {
      const path = ["steps", index, "llm", key];
      problems.push({ path, what: `\`${keyName(path)}\` ${what}`, mend });
    };
    if (llm.model_id === undefined) {
      refuse("model_id", `is missing: ${OPENAI_LLM} asks for a model by its name.`, "Add `model_id: gpt-4o-mini`.");
    }
    for (const key of OTHERS) {
      if (llm[key] !== undefined) refuse(key, `is not for ${OPENAI_LLM}.`, "Take it out, or take `class` out.");
    }
  }
  return problems;
}

/** A spec in which each such `llm` is written out as what it stands for. */
export function settleOpenAI(spec: JobSpec): JobSpec {
  if (!spec.steps.some(({ llm }) => llm?.class === OPENAI_LLM)) return spec;
  const steps = spec.steps.map((step) => (step.llm?.class === OPENAI_LLM ? { ...step, llm: settled(step.llm) } : step));
  return { ...spec, steps };
}

function settled(llm: LLMSpec): LLMSpec {
  // The key of OpenAI's own service goes nowhere else.
  const service = llm.base_url === undefined ? { base_url: BASE_URL, api_key: llm.api_key ?? API_KEY } : {};
  return { ...llm, ...service, class: "InferenceEndpointsLLM", use_openai_client: true };
}
