/** What goes with answers by offline batches, and what does not. */
import type { JobSpec, LLMSpec } from "./job-spec.ts";
import { isModulePath } from "./module-path.ts";
import { keyName } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";

const KEY = "use_offline_batch_generation";
const BLOCK = "offline_batch_generation_block_until_done";

export function usesBatches(llm: LLMSpec | undefined): boolean {
  return llm?.use_offline_batch_generation === true;
}

/** Checks a spec that has passed the schema. */
export function batchProblems({ steps }: JobSpec): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const refuse = (path: KeyPath, what: string, mend: string): void => {
    problems.push({ path, what: `\`${keyName(path)}\` ${what}`, mend });
  };
  const batched = steps.filter(({ llm }) => usesBatches(llm)).length;
  for (const [index, { llm }] of steps.entries()) {
    if (llm === undefined) continue;
    const path = ["steps", index, "llm"];
    if (!usesBatches(llm)) {
      if (llm[BLOCK] !== undefined) refuse([...path, BLOCK], `needs \`${KEY}: true\`.`, "Add it, or take this out.");
      if (batched > 0) {
        const mend = "Set it for every step with an llm, or run the other steps as a job of their own.";
        refuse(path, `must set \`${KEY}\` as well: a job's answers come all by batches or none.`, mend);
      }
      continue;
    }
    if (llm.class !== undefined && isModulePath(llm.class)) {
      refuse([...path, KEY], "does not go with a custom LLM.", "Take one of the two out.");
    } else if (llm.base_url === undefined || llm.endpoint_name !== undefined) {
      refuse([...path, KEY], "needs `base_url`.", "Give the URL of a server with OpenAI's files and batches API.");
    } else if (Array.isArray(llm.base_url) && llm.base_url.length > 1) {
      refuse([...path, "base_url"], "names several servers; batches go to one.", "Keep one of them.");
    }
    if (llm.stream) refuse([...path, "stream"], "does not go with offline batches.", "Take it out.");
    if (llm[BLOCK] !== undefined && llm[BLOCK] === 0) {
      refuse([...path, BLOCK], "must be longer than nothing.", "Write how often to look: 60s.");
    }
  }
  return problems;
}
