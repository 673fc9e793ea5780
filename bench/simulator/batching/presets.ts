import { parseBatchOptions } from "./batch-options.ts";
import type { BatchInput, BatchOptions } from "./batch-options.ts";
import { PRESETS } from "./preset-figures.ts";
import type { PresetName } from "./preset-figures.ts";

export { PRESET_NAMES, PRESETS } from "./preset-figures.ts";
export type { PresetName } from "./preset-figures.ts";

/** The preset's options for `BatchEngine`; what `changes` gives is taken instead. Throws `USAGE` for changes that do not fit. */
export function presetOptions(name: PresetName, changes: Partial<BatchInput> = {}): BatchOptions {
  const { figures } = PRESETS[name];
  return parseBatchOptions({
    stepTime: {
      graphs: { baseMs: figures.graphsBaseMs.value, sequenceMs: figures.graphsSequenceMs.value },
      eager: { baseMs: figures.eagerBaseMs.value, sequenceMs: figures.eagerSequenceMs.value },
      prefillTokenMs: figures.prefillTokenMs.value,
    },
    kvTokens: figures.kvTokens.value,
    maxBatchPrefillTokens: figures.maxBatchPrefillTokens.value,
    ...changes,
  });
}
