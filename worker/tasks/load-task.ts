/** From a step's `task` to the task itself: a built-in one, or a module of the user's own. */
import path from "node:path";
import { TidingError } from "../../shared/errors.ts";
import { ColumnTypeSpec } from "../../shared/spec/job-spec.ts";
import type { StepSpec } from "../../shared/spec/job-spec.ts";
import { isModulePath } from "../../shared/spec/module-path.ts";
import { callExport, loadModule } from "../../shared/task/module-code.ts";
import type { Task } from "../../shared/task/task.ts";
import { evolInstruct, evolInstructCard } from "./evol-instruct.ts";
import { generateEmbeddings, generateEmbeddingsCard } from "./generate-embeddings.ts";
import { imageGeneration, imageGenerationCard } from "./image-generation.ts";
import { judge, judgeCard } from "./judge.ts";
import { magpieCard, magpieGeneratorCard } from "./magpie-cards.ts";
import { magpie } from "./magpie.ts";
import { paraphrase, paraphraseCard } from "./paraphrase.ts";
import { structuredGeneration, structuredGenerationCard } from "./structured-generation.ts";
import { describeTask } from "./task-card.ts";
import type { TaskCard, TaskContext, TaskDescription } from "./task-card.ts";
import { textClassification, textClassificationCard } from "./text-classification.ts";
import { textGeneration, textGenerationCard } from "./text-generation.ts";

export interface LoadedTask {
  readonly task: Task;
  /** Hash of the module and its imports; null for a built-in task. */
  readonly codeHash: string | null;
  /** The step's name, or the task's. */
  readonly name: string;
}

interface BuiltInTask {
  /** Throws `SPEC_INVALID` for a step that the task cannot do. */
  readonly make: (step: StepSpec, context: TaskContext) => Task;
  readonly card: TaskCard;
}

/** Every built-in task, once: what a spec may name and what `tiding tasks` lists are read from here. */
const BUILT_IN: Readonly<Record<string, BuiltInTask>> = {
  "text-generation": { make: textGeneration, card: textGenerationCard },
  "structured-generation": { make: structuredGeneration, card: structuredGenerationCard },
  "image-generation": { make: imageGeneration, card: imageGenerationCard },
  "generate-embeddings": { make: generateEmbeddings, card: generateEmbeddingsCard },
  "text-classification": { make: textClassification, card: textClassificationCard },
  judge: { make: judge, card: judgeCard },
  "evol-instruct": { make: evolInstruct, card: evolInstructCard },
  paraphrase: { make: paraphrase, card: paraphraseCard },
  magpie: { make: magpie, card: magpieCard },
  "magpie-generator": { make: magpie, card: magpieGeneratorCard },
};

/** The built-in tasks with what they read, return and heed. */
export function builtInTasks(): readonly TaskDescription[] {
  return Object.entries(BUILT_IN).map(([name, { card }]) => describeTask(name, card));
}

/** Loads the task of a step; a module's path is relative to `folder`. Throws `SPEC_INVALID` and `MODULE_INVALID`. */
export async function loadTask(step: StepSpec, options: { readonly folder: string }): Promise<LoadedTask> {
  if (!isModulePath(step.task)) {
    const builtIn = Object.hasOwn(BUILT_IN, step.task) ? BUILT_IN[step.task] : undefined;
    if (builtIn === undefined) {
      throw new TidingError("SPEC_INVALID", `There is no task ${JSON.stringify(step.task)}.`, {
        place: "task",
        mend: `Write one of ${Object.keys(BUILT_IN).join(", ")}, or the path of a module: ./my-task.ts.`,
      });
    }
    return { task: builtIn.make(step, options), codeHash: null, name: step.name ?? step.task };
  }
  const { exported, codeHash } = await loadModule(path.resolve(options.folder, step.task), { name: step.task });
  const task: unknown =
    typeof exported === "function"
      ? await callExport(exported, { name: step.task, arguments: [step.options ?? {}] })
      : exported;
  const fault = faultOf(task);
  if (fault !== null) {
    throw new TidingError("MODULE_INVALID", `The module ${step.task} exports no task: ${fault}.`, {
      place: step.task,
      mend: "Write `export default defineTask({ inputs, outputs, run })`, or export a function that returns such a task.",
    });
  }
  if (step.options !== undefined && typeof exported !== "function") {
    throw new TidingError("SPEC_INVALID", `The task ${step.task} takes no options, and the step has some.`, {
      place: "options",
      mend: "Export a function of the options that returns the task.",
    });
  }
  return { task: task as Task, codeHash, name: step.name ?? path.basename(step.task).replace(/\.[^.]+$/, "") };
}

/** A second copy of the package defeats `instanceof`, and a plain object is a task too: its shape decides. */
function faultOf(value: unknown): string | null {
  if (typeof value !== "object" || value === null)
    return `its default export is ${value === null ? "null" : `a ${typeof value}`}`;
  const { run, inputs, optionalInputs, oneOf, outputs, usesLLM, makes } = value as Readonly<Record<string, unknown>>;
  if (typeof run !== "function") return "it has no method `run`";
  if (!isNames(inputs)) return "`inputs` must be a list of column names";
  if (optionalInputs !== undefined && !isNames(optionalInputs))
    return "`optionalInputs` must be a list of column names";
  if (oneOf !== undefined && !isNames(oneOf)) return "`oneOf` must be a list of column names";
  if (usesLLM !== undefined && typeof usesLLM !== "boolean") return "`usesLLM` must be true or false";
  if (makes !== undefined && makes !== "text" && makes !== "image" && makes !== "embedding")
    return "`makes` must be text, image or embedding";
  if (isNames(outputs)) return outputs.length === 0 ? "`outputs` names no column" : null;
  if (typeof outputs !== "object" || outputs === null || Array.isArray(outputs)) {
    return "`outputs` must be a list of column names, or column names with their types";
  }
  const entries = Object.entries(outputs);
  const wrong = entries.find(([, type]) => !ColumnTypeSpec.safeParse(type).success);
  if (wrong !== undefined) return `\`outputs.${wrong[0]}\` is not a column type`;
  return entries.length === 0 ? "`outputs` names no column" : null;
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string" && name !== "");
}
