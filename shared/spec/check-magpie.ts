/** Rules between the keys of Magpie's tasks, and for those keys on other tasks. */
import type { JobSpec, LLMSpec, StepSpec } from "./job-spec.ts";
import { isGenerator, isMagpie, weightSum } from "./magpie-settings.ts";
import { isModulePath } from "./module-path.ts";
import { keyName } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";

/** Weights written with two digits may miss 1 by this much, as 0.33 three times does; more is taken for a mistake. */
const WEIGHT_TOLERANCE = 0.05;

const CONVERSATION_KEYS = ["n_turns", "end_with_user", "include_system_prompt"] as const;

/** What is wrong with a step's Magpie keys; `index` is the step's place in the job. */
export function magpieProblems(spec: JobSpec, step: StepSpec, index: number): SpecProblem[] {
  const { problems, refuse } = collector(["steps", index]);
  if (!isMagpie(step.task)) {
    refuseMagpieKeys(step, refuse);
    return problems;
  }
  for (const key of ["template", "reasoning"] as const) {
    if (step[key] !== undefined && step[key] !== false) {
      refuse([key], "is for the task text-generation only.", "Take it out: Magpie's model writes the instruction.");
    }
  }
  if (step.only_instruction === true) {
    for (const key of CONVERSATION_KEYS) {
      const value = step[key];
      if (value === undefined || value === false || value === 1) continue;
      const mend = "Take one of the two out: with `only_instruction` a row is a single message of the user.";
      refuse([key], "does not go with `only_instruction`.", mend);
    }
  }
  refuseSystemPrompts(step, refuse);
  if (isGenerator(step.task)) refuseGenerator(spec, { step, index, refuse });
  else if (step.num_rows !== undefined) {
    const mend = "Set `input: { generate: { rows: N } }`, or write `task: magpie-generator`.";
    refuse(["num_rows"], "is for the task magpie-generator only.", mend);
  }
  return problems;
}

/** What is wrong with the keys of an LLM that render prompts here; `task` is the step's. */
export function templateProblems(llm: LLMSpec, task: string, path: KeyPath): SpecProblem[] {
  const { problems, refuse } = collector(path);
  if (isMagpie(task) && llm.use_magpie_template === false) {
    refuse(["use_magpie_template"], `is false, and the task ${task} cannot do without.`, "Take it out.");
  }
  // A class of one's own may render as it likes: it is told which message the model is to write.
  if (llm.tokenizer_id !== undefined || (llm.class !== undefined && isModulePath(llm.class))) return problems;
  const mend =
    "Add `tokenizer_id`, the Hub's name or the folder of the served model's tokenizer: no server renders a prompt that ends where the user's message begins.";
  if (isMagpie(task)) refuse(["tokenizer_id"], `is missing: the task ${task} needs it.`, mend);
  else if (llm.use_magpie_template === true || llm.magpie_pre_query_template !== undefined) {
    const key = llm.use_magpie_template === true ? "use_magpie_template" : "magpie_pre_query_template";
    refuse(["tokenizer_id"], `is missing: \`${key}\` needs it.`, mend);
  }
  return problems;
}

type Refuse = (keys: KeyPath, what: string, mend: string) => void;

function collector(path: KeyPath): { readonly problems: SpecProblem[]; readonly refuse: Refuse } {
  const problems: SpecProblem[] = [];
  const refuse: Refuse = (keys, what, mend) => {
    problems.push({ path: [...path, ...keys], what: `\`${keyName([...path, ...keys])}\` ${what}`, mend });
  };
  return { problems, refuse };
}

function refuseMagpieKeys(step: StepSpec, refuse: Refuse): void {
  const isModule = isModulePath(step.task);
  const mend = isModule ? "Hand it to your task under `options`." : "Take it out, or write `task: magpie`.";
  for (const key of [...CONVERSATION_KEYS, "only_instruction"] as const) {
    if (step[key] !== undefined) refuse([key], "is for the tasks magpie and magpie-generator only.", mend);
  }
  if (step.num_rows !== undefined) {
    refuse(["num_rows"], "is for the task magpie-generator only.", "Bound the job with `input.limit`.");
  }
  if (!isModule && step.system_prompt !== undefined && typeof step.system_prompt !== "string") {
    const what = `must be one text for the task ${step.task}.`;
    refuse(["system_prompt"], what, "Several, of which each row draws one, are for the task magpie.");
  }
}

function refuseSystemPrompts({ system_prompt: written }: StepSpec, refuse: Refuse): void {
  if (written === undefined || typeof written === "string" || Array.isArray(written)) return;
  const entries = Object.values(written) as unknown[];
  if (entries.length === 0) refuse(["system_prompt"], "names no system prompt.", "Add one: `name: text`.");
  const sum = weightSum(written);
  if (sum === null) return;
  if (entries.some((entry) => typeof entry === "string")) {
    refuse(["system_prompt"], "gives weights to some prompts only.", "Give every prompt a weight, or none.");
  } else if (Math.abs(sum - 1) > WEIGHT_TOLERANCE) {
    const what = `has weights that add up to ${Number(sum.toFixed(4))}, not to 1.`;
    refuse(["system_prompt"], what, `Make them add up to 1; ${WEIGHT_TOLERANCE} more or less is taken for rounding.`);
  }
}

function refuseGenerator(
  { input }: JobSpec,
  { step, index, refuse }: { readonly step: StepSpec; readonly index: number; readonly refuse: Refuse },
): void {
  const own = "Write `task: magpie`, which works on rows that there are.";
  if (index > 0) refuse(["task"], "must be the first step: magpie-generator begins the rows.", own);
  else if (input.path !== undefined) refuse(["task"], "makes its own rows, and `input.path` names some.", own);
  else if (step.num_rows !== undefined && input.generate !== undefined) {
    refuse(["num_rows"], "and `input.generate` both say how many rows to make.", "Take one of the two out.");
  } else if (step.num_rows === undefined && input.generate === undefined) {
    refuse(["num_rows"], "is missing.", "Add `num_rows`, the number of rows to make.");
  }
}
