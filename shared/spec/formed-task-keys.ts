/** The tasks whose answers have a form of their own, and the keys of a step that they take. */
import { z } from "zod";

export const FORMED_TASKS = ["text-classification", "judge", "evol-instruct", "paraphrase"] as const;

const Aspect = z.enum(["overall", "helpfulness", "honesty", "instruction-following", "truthfulness"]);
export type JudgeAspect = z.output<typeof Aspect>;

const Name = z.string().min(1);

/** Without defaults: a key that is set at all is refused for other tasks. */
export const FORMED_STEP_KEYS = {
  labels: z
    .union([z.array(Name).min(2), z.record(Name, z.string())])
    .optional()
    .describe("text-classification: the labels, as a list or as `label: what it means`."),
  max_labels: z
    .int()
    .positive()
    .max(1_000)
    .optional()
    .describe("text-classification: most labels of one text; 1 when absent."),
  aspect: Aspect.optional().describe("judge: what is judged; `overall` when absent."),
  num_evolutions: z
    .int()
    .positive()
    .max(100)
    .optional()
    .describe("evol-instruct: how often an instruction is rewritten; 1 when absent."),
};

/** Which task each of the keys is for. */
export const FORMED_KEY_TASKS: Readonly<Record<keyof typeof FORMED_STEP_KEYS, (typeof FORMED_TASKS)[number]>> = {
  labels: "text-classification",
  max_labels: "text-classification",
  aspect: "judge",
  num_evolutions: "evol-instruct",
};
