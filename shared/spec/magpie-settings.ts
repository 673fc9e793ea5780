/** What a step of the tasks `magpie` and `magpie-generator` asks for, with defaults filled in. */
import type { StepSpec } from "./job-spec.ts";

export const MAGPIE_TASKS = ["magpie", "magpie-generator"] as const;

export function isMagpie(task: string): boolean {
  return (MAGPIE_TASKS as readonly string[]).includes(task);
}

/** The step begins its job's rows: it reads none. */
export function isGenerator(task: string): boolean {
  return task === "magpie-generator";
}

export interface SystemPromptChoice {
  /** Its name in the spec's map; null where there is no map. */
  readonly key: string | null;
  readonly text: string;
  /** Its share of the rows; those of all choices add up to 1. */
  readonly weight: number;
}

export interface MagpieSettings {
  readonly turns: number;
  readonly endsWithUser: boolean;
  readonly includesSystemPrompt: boolean;
  readonly onlyInstruction: boolean;
  /** Null: the step says nothing of system prompts. Empty: it asks for none, not even the default. */
  readonly systemPrompts: readonly SystemPromptChoice[] | null;
  /** The step gives its system prompts names, so that rows tell which one they drew. */
  readonly namesSystemPrompts: boolean;
}

export function magpieSettings(step: StepSpec): MagpieSettings {
  return {
    turns: step.n_turns ?? 1,
    endsWithUser: step.end_with_user ?? false,
    includesSystemPrompt: step.include_system_prompt ?? false,
    onlyInstruction: step.only_instruction ?? false,
    systemPrompts: step.system_prompt === undefined ? null : choicesOf(step.system_prompt),
    namesSystemPrompts: isMap(step.system_prompt),
  };
}

type Written = NonNullable<StepSpec["system_prompt"]>;
type WrittenMap = Exclude<Written, string | readonly string[]>;

function isMap(written: Written | undefined): written is WrittenMap {
  return typeof written === "object" && !Array.isArray(written);
}

/** A map's entries by name, since a map that was merely reordered has the same fingerprint. */
function choicesOf(written: Written): readonly SystemPromptChoice[] {
  if (typeof written === "string") return written.trim() === "" ? [] : [{ key: null, text: written, weight: 1 }];
  const texts = isMap(written)
    ? Object.entries(written).toSorted(([a], [b]) => (a < b ? -1 : 1))
    : written.map((text): [null, string] => [null, text]);
  const choices = texts.map(([key, entry]) => ({ key, ...promptOf(entry) }));
  const sum = choices.reduce((weights, { weight }) => weights + weight, 0);
  return choices.map((choice) => ({ ...choice, weight: choice.weight / sum }));
}

type Entry = WrittenMap[string];

function promptOf(entry: Entry): { readonly text: string; readonly weight: number } {
  if (typeof entry === "string") return { text: entry, weight: 1 };
  if (Array.isArray(entry)) return { text: entry[0], weight: entry[1] };
  const { prompt, weight } = entry;
  return { text: prompt, weight };
}

/** What the weights of a map of system prompts add up to; null where it gives none. */
export function weightSum(written: Written): number | null {
  if (!isMap(written)) return null;
  const entries = Object.values(written);
  if (entries.every((entry) => typeof entry === "string")) return null;
  return entries.reduce((sum, entry) => sum + promptOf(entry).weight, 0);
}
