/** What decides a step's work beside the spec and Tiding's own code: whoever works must have the same. */
import { z } from "zod";

const Hash = z.string().nullable();

/** Hashes; null where the step has none of its kind. */
export const StepCodeSchema = z.strictObject({
  /** Of a task's module with its imports. */
  taskCode: Hash,
  /** Of a custom LLM's module with its imports. */
  llmCode: Hash,
  /** Of the chat template with which prompts are rendered by the worker, as `PromptRenderer.revision` gives it. */
  chatTemplate: Hash,
});

export type StepCode = Readonly<z.output<typeof StepCodeSchema>>;
