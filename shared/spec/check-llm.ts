/** What the schema cannot say of an `llm`. */
import { compileForm } from "../structured/compile-form.ts";
import { endpointProblems } from "./check-endpoint.ts";
import { TRANSFORMERS_LLM, transformersProblems } from "./check-transformers.ts";
import type { LLMSpec } from "./job-spec.ts";
import { isModulePath } from "./module-path.ts";
import { keyName } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";

const BUILT_IN_LLMS = ["InferenceEndpointsLLM", TRANSFORMERS_LLM];
const SECRET_HEADER = /authorization|api[-_]?key|token|secret|cookie/i;

/** What is wrong with an `llm` beyond its prompts; `task` is the step's. */
export function llmProblems(llm: LLMSpec, task: string, path: KeyPath): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const refuse = (keys: KeyPath, what: string, mend: string): void => {
    problems.push({ path: [...path, ...keys], what: `\`${keyName([...path, ...keys])}\` ${what}`, mend });
  };
  const isCustom = llm.class !== undefined && isModulePath(llm.class);
  if (isCustom && llm.endpoint !== undefined) {
    refuse(["endpoint"], "is for InferenceEndpointsLLM.", "Take it out: a custom LLM starts its endpoint itself.");
  }
  if (llm.class !== TRANSFORMERS_LLM) {
    for (const key of ["dtype", "device"] as const) {
      if (llm[key] !== undefined) refuse([key], `is for ${TRANSFORMERS_LLM}.`, "Take it out.");
    }
  }
  if (!isCustom) {
    if (llm.class !== undefined && !BUILT_IN_LLMS.includes(llm.class)) {
      const mend =
        "Take it out for InferenceEndpointsLLM, which speaks to every OpenAI-compatible server; or name a module.";
      refuse(["class"], `names no LLM: ${JSON.stringify(llm.class)}.`, mend);
    }
    const isLocal = llm.class === TRANSFORMERS_LLM;
    problems.push(...(isLocal ? transformersProblems : endpointProblems)(llm, task, path));
    if (llm.options !== undefined) {
      refuse(["options"], "is for a custom LLM only.", "Give the model's parameters as `generation_kwargs`.");
    }
  }
  const form = llm.structured_output === undefined ? null : compileForm(llm.structured_output);
  if (form !== null && "what" in form) refuse(["structured_output", ...form.path], form.what, form.mend);
  for (const [index, url] of [llm.base_url ?? []].flat().entries()) {
    const { protocol, username, password } = new URL(url);
    const keys = Array.isArray(llm.base_url) ? ["base_url", index] : ["base_url"];
    if (protocol !== "http:" && protocol !== "https:") {
      refuse(keys, `must begin with http:// or https://, but begins with ${protocol}`, "Give the server's URL.");
    }
    if (username !== "" || password !== "") {
      refuse(
        keys,
        "holds a user name or password.",
        'Send it as a header: `headers: { Authorization: "Basic ${NAME}" }`.',
      );
    }
  }
  for (const [name, value] of Object.entries(llm.headers ?? {})) {
    if (SECRET_HEADER.test(name) && !/\$\{[A-Za-z_]/.test(value)) {
      refuse(
        ["headers", name],
        "holds a secret, which is never part of a spec.",
        `Write a reference: ${name}: \${NAME}.`,
      );
    }
  }
  return problems;
}
