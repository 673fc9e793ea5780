/**
 * Which server an `llm` names: rules between `base_url`, `endpoint_name`, `model_id` and what belongs to each.
 *
 * They are those of distilabel 1.5 (`InferenceEndpointsLLM.only_one_of_model_id_endpoint_name_or_base_url_provided`), but
 * for one: beside `base_url`, `model_id` is the served name to ask for, and takes nothing over.
 */
import type { LLMSpec, StepSpec } from "./job-spec.ts";
import { isMagpie } from "./magpie-settings.ts";
import { keyName } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";

/** `dedicated` is an endpoint that Hugging Face looks up by name, `serverless` a model of the Hub's providers. */
export type EndpointKind = "server" | "dedicated" | "serverless";

type EndpointSpec = Pick<LLMSpec, "base_url" | "endpoint_name" | "model_id">;

/** Null where nothing is named. As in distilabel, `endpoint_name` comes before `base_url`. */
export function endpointKind({ base_url, endpoint_name, model_id }: EndpointSpec): EndpointKind | null {
  if (endpoint_name !== undefined) return "dedicated";
  if (base_url !== undefined) return "server";
  return model_id === undefined ? null : "serverless";
}

/** Whether prompts are rendered here: there is a tokenizer to do it with, and a route that takes them. */
export function rendersPrompts(llm: EndpointSpec & Pick<LLMSpec, "tokenizer_id" | "use_openai_client">): boolean {
  return llm.tokenizer_id !== undefined && llm.use_openai_client !== true && endpointKind(llm) !== "serverless";
}

/** Steps that call one dedicated endpoint have to agree on what is done to it. */
export function endpointUseProblems(steps: readonly StepSpec[]): SpecProblem[] {
  const first = new Map<string, { readonly index: number; readonly use: string }>();
  return steps.flatMap(({ llm }, index) => {
    if (llm?.endpoint_name === undefined || llm.endpoint === undefined) return [];
    const title = `${llm.endpoint_namespace ?? ""}/${llm.endpoint_name}`;
    const use = JSON.stringify(llm.endpoint);
    const before = first.get(title);
    if (before === undefined) first.set(title, { index, use });
    if (before === undefined || before.use === use) return [];
    const path = ["steps", index, "llm", "endpoint"];
    const what = `\`${keyName(path)}\` says otherwise than steps.${before.index}, which calls the same endpoint.`;
    return [{ path, what, mend: "Write the same in both, or leave it out of one of them." }];
  });
}

/** What is wrong with where an `llm` of the built-in class is to be found; `task` is the step's. */
export function endpointProblems(llm: LLMSpec, task: string, path: KeyPath): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const refuse = (key: string, what: string, mend: string): void => {
    problems.push({ path: [...path, key], what: `\`${keyName([...path, key])}\` ${what}`, mend });
  };
  const kind = endpointKind(llm);
  if (kind === null) {
    const mend =
      "Add `base_url`, the URL of a server: http://127.0.0.1:8080; or `endpoint_name` or `model_id`, for a model on Hugging Face.";
    refuse("base_url", "is missing.", mend);
  }
  if (kind === "dedicated" && llm.model_id !== undefined) {
    const mend =
      "Take one of the two out: an endpoint's model is looked up, and `model_display_name` is what rows call it.";
    refuse("model_id", "does not go with `endpoint_name`.", mend);
  }
  if (llm.endpoint_namespace !== undefined && kind !== "dedicated") {
    refuse("endpoint_namespace", "needs `endpoint_name`.", "Add the endpoint's name, or take this out.");
  }
  if (llm.endpoint !== undefined && kind !== "dedicated") {
    const mend = "Add the endpoint's name, or take this out: other servers are not started by a job.";
    refuse("endpoint", "needs `endpoint_name`.", mend);
  }
  if (llm.provider !== undefined && kind !== "serverless") {
    const mend = "Take it out, or give `model_id` without `base_url` and `endpoint_name`.";
    refuse("provider", "is for a model of the Hub's providers.", mend);
  }
  const writesUser = llm.use_magpie_template === true || isMagpie(task);
  if (writesUser && llm.use_openai_client === true) {
    const mend = "Take it out: no chat route lets the model write a message of the user.";
    refuse("use_openai_client", "does not go with Magpie.", mend);
  } else if (writesUser && kind === "serverless") {
    const mend = "Give `base_url` or `endpoint_name`: a server of one's own takes prompts that are rendered here.";
    refuse("model_id", "alone means the Hub's providers, who take conversations only; Magpie sends prompts.", mend);
  }
  return problems;
}
