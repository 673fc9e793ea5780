/** What the schema cannot say: keys that need or exclude each other. */
import { isTidingError, messageOf } from "../errors.ts";
import { compileForm } from "../structured/compile-form.ts";
import { compileTemplate } from "../task/template.ts";
import { magpieProblems, templateProblems } from "./check-magpie.ts";
import type { JobSpec, LLMSpec, StepSpec } from "./job-spec.ts";
import { MAGPIE_TASKS } from "./magpie-settings.ts";
import { isModulePath } from "./module-path.ts";
import { nearestName } from "./nearest-name.ts";
import { keyName } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";
import { standardInputProblems } from "./standard-input.ts";

const BUILT_IN_TASKS = ["text-generation", "structured-generation", ...MAGPIE_TASKS];
const BUILT_IN_LLMS = ["InferenceEndpointsLLM"];
const SECRET_HEADER = /authorization|api[-_]?key|token|secret|cookie/i;

/** Checks a spec that has passed the schema. */
export function specProblems(spec: JobSpec): SpecProblem[] {
  const ofSteps = spec.steps.flatMap((step, index) => {
    const path = ["steps", index];
    const problems = [...taskProblems(step, path), ...magpieProblems(spec, step, index)];
    if (step.llm === undefined) return problems;
    const llmPath = [...path, "llm"];
    return [...problems, ...llmProblems(step.llm, llmPath), ...templateProblems(step.llm, step.task, llmPath)];
  });
  return [...standardInputProblems(spec.input), ...ofSteps];
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

function llmProblems(llm: LLMSpec, path: KeyPath): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const refuse = (keys: KeyPath, what: string, mend: string): void => {
    problems.push({ path: [...path, ...keys], what: `\`${keyName([...path, ...keys])}\` ${what}`, mend });
  };
  const isCustom = llm.class !== undefined && isModulePath(llm.class);
  if (!isCustom) {
    if (llm.class !== undefined && !BUILT_IN_LLMS.includes(llm.class)) {
      const mend =
        "Take it out for InferenceEndpointsLLM, which speaks to every OpenAI-compatible server; or name a module.";
      refuse(["class"], `names no LLM: ${JSON.stringify(llm.class)}.`, mend);
    }
    if (llm.base_url === undefined) {
      refuse(["base_url"], "is missing.", "Add `base_url`, the URL of the server: http://127.0.0.1:8080.");
    }
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
