/** An endpoint as one of the simulator's presets has it. */
import { TidingError } from "../../shared/errors.ts";
import { PRESET_NAMES, PRESETS, presetOptions, type PresetName } from "../simulator/batching/presets.ts";
import { stepMs } from "../simulator/batching/step-time.ts";
import { spreadFactor, type EndpointBelief } from "./endpoint-belief.ts";

/** How far off a server may be of which the figures were measured on another one of its kind; and where they are guessed. */
const SPREAD = { measured: 0.08, estimated: 0.25 } as const;

/** Throws `USAGE` for a name that is none. */
export function presetNamed(name: string): PresetName {
  const found = PRESET_NAMES.find((preset) => preset === name);
  if (found !== undefined) return found;
  throw new TidingError("USAGE", `There is no preset ${JSON.stringify(name)}.`, {
    place: "--preset",
    mend: `Give one of ${PRESET_NAMES.join(", ")}; or measure the endpoint with \`tiding bench\`, and give its report with --bench.`,
  });
}

export function presetBelief(name: PresetName): EndpointBelief {
  const { stepTime, kvTokens, maxBatchPrefillTokens } = presetOptions(name);
  const spread = SPREAD[basisOf(name)];
  return {
    knownUpTo: Infinity,
    model(chance) {
      const factor = spreadFactor(chance, spread);
      return {
        stepMs: (sequences, readsPrompts) =>
          factor * stepMs(stepTime, { sequences, prefillTokens: readsPrompts ? Number.EPSILON : 0, contextTokens: 0 }),
        prefillMsPerToken: factor * stepTime.prefillTokenMs,
        prefillBudget: maxBatchPrefillTokens,
        overheadMs: 0,
        // TGI keeps one block for itself.
        kvTokens: kvTokens - 1,
        stepsBetweenAdmissions: 1,
      };
    },
  };
}

/** What the preset says of itself, as a sentence's end. */
export function describePreset(name: PresetName): string {
  const { hardware, figures } = PRESETS[name];
  const origin =
    basisOf(name) === "measured"
      ? "step times fitted to published measurements, its memory estimated"
      : "its step times estimated from other hardware's";
  const { kvTokens } = figures;
  return `an 8B model in bf16 on one ${hardware} under TGI, ${origin} (room for ${kvTokens.value.toLocaleString("en")} tokens)`;
}

function basisOf(name: PresetName): "measured" | "estimated" {
  const { graphsBaseMs, eagerBaseMs, eagerSequenceMs } = PRESETS[name].figures;
  const isMeasured = [graphsBaseMs, eagerBaseMs, eagerSequenceMs].every(({ basis }) => basis === "measured");
  return isMeasured ? "measured" : "estimated";
}
