/** What `TransformersLLM` has done in its thread, one thing after another: the seed is the library's, for all calls. */
import type { Generation, LLMInput } from "../../../shared/task/task.ts";
import { type ThreadOutcome, outcomeOf } from "../../../shared/thread-outcome.ts";
import { LocalModel } from "./local-model.ts";
import type { GenerateRequest, ModelSettings } from "./local-model.ts";
import { loadTransformers } from "./transformers-library.ts";

export interface TransformersTask {
  readonly settings: ModelSettings;
  /** Where the package is looked for first. */
  readonly folder: string;
  readonly asked:
    | { readonly type: "warm" }
    | { readonly type: "load"; readonly makes: "text" | "hidden" }
    | { readonly type: "generate"; readonly request: GenerateRequest }
    | { readonly type: "hidden"; readonly input: LLMInput };
}

export type TransformersResult = null | Omit<Generation, "model"> | readonly Float32Array[];

const UNKNOWN = { code: "LLM_FAILED", what: "The model failed" } as const;
const loaded = new Map<"text" | "hidden", Promise<LocalModel>>();

export default function askTransformers(task: TransformersTask): Promise<ThreadOutcome<TransformersResult>> {
  return outcomeOf(async () => {
    const { asked } = task;
    switch (asked.type) {
      case "warm":
        return null;
      case "load":
        await modelFor(asked.makes, task);
        return null;
      case "generate":
        return await (await modelFor("text", task)).generate(asked.request);
      case "hidden":
        return await (await modelFor("hidden", task)).hiddenStates(asked.input);
    }
  }, UNKNOWN);
}

/** A thread serves one LLM, whose settings never change. */
function modelFor(makes: "text" | "hidden", { settings, folder }: TransformersTask): Promise<LocalModel> {
  const known = loaded.get(makes);
  if (known !== undefined) return known;
  const loading = Promise.resolve().then(() => LocalModel.load(loadTransformers(folder), settings, makes));
  loaded.set(makes, loading);
  // Another try may find what was missing.
  loading.catch(() => loaded.delete(makes));
  return loading;
}
