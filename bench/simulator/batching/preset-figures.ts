/**
 * Replicas as people rent them, for an 8B model in bf16 (Llama-3.1-8B) on one GPU. Every figure says where it comes from:
 * `measured` is fitted to or read off published measurements, `estimated` is scaled from them.
 *
 * How estimates are made: a step's base from the time to read 16 GB of weights once plus some 4 ms of the host; its slope
 * and the prefill from the card's bandwidth and FLOPS beside the h100's (32 % of the FLOPS used); KV tokens from
 * (0.9 * memory - weights - 2 GB) / 128 KiB; the prefill budget by TGI's own rule, FLOPS / FLOPs of a token.
 */

export interface PresetFigure {
  readonly value: number;
  readonly basis: "measured" | "estimated";
}

export interface PresetFigures {
  /** Steps that only decode, of at most 32 sequences. */
  readonly graphsBaseMs: PresetFigure;
  readonly graphsSequenceMs: PresetFigure;
  /** All other steps. */
  readonly eagerBaseMs: PresetFigure;
  readonly eagerSequenceMs: PresetFigure;
  readonly prefillTokenMs: PresetFigure;
  readonly kvTokens: PresetFigure;
  readonly maxBatchPrefillTokens: PresetFigure;
}

export interface Preset {
  readonly hardware: string;
  readonly figures: PresetFigures;
}

const measured = (value: number): PresetFigure => ({ value, basis: "measured" });
const estimated = (value: number): PresetFigure => ({ value, basis: "estimated" });

export const PRESET_NAMES = ["h100", "a100-80", "l40s", "a10g", "l4"] as const;
export type PresetName = (typeof PRESET_NAMES)[number];

export const PRESETS: Readonly<Record<PresetName, Preset>> = {
  // Times fitted to the 15 rates that inference-benchmarker's dashboard shows for TGI 3 with chunked prefill, read off its
  // picture. The hardware is not told there; its scripts run on H100s.
  h100: {
    hardware: "H100 80 GB",
    figures: {
      graphsBaseMs: measured(8.7),
      graphsSequenceMs: measured(0.1),
      eagerBaseMs: measured(13.67),
      eagerSequenceMs: measured(0.0526),
      prefillTokenMs: measured(0.0626),
      kvTokens: estimated(400_000),
      maxBatchPrefillTokens: estimated(59_880),
    },
  },
  "a100-80": {
    hardware: "A100 80 GB",
    figures: {
      graphsBaseMs: estimated(13),
      graphsSequenceMs: estimated(0.13),
      eagerBaseMs: estimated(17),
      eagerSequenceMs: estimated(0.07),
      prefillTokenMs: estimated(0.143),
      kvTokens: estimated(400_000),
      maxBatchPrefillTokens: estimated(20_758),
    },
  },
  l40s: {
    hardware: "L40S 48 GB",
    figures: {
      graphsBaseMs: estimated(22),
      graphsSequenceMs: estimated(0.2),
      eagerBaseMs: estimated(26),
      eagerSequenceMs: estimated(0.11),
      prefillTokenMs: estimated(0.13),
      kvTokens: estimated(190_000),
      maxBatchPrefillTokens: estimated(24_151),
    },
  },
  a10g: {
    hardware: "A10G 24 GB",
    figures: {
      graphsBaseMs: estimated(31),
      graphsSequenceMs: estimated(0.3),
      eagerBaseMs: estimated(35),
      eagerSequenceMs: estimated(0.17),
      prefillTokenMs: estimated(0.37),
      kvTokens: estimated(27_000),
      maxBatchPrefillTokens: estimated(8_316),
    },
  },
  // Prefill and memory from the TGI v3 announcement's long prompts on one L4.
  l4: {
    hardware: "L4 24 GB",
    figures: {
      graphsBaseMs: estimated(57),
      graphsSequenceMs: estimated(0.5),
      eagerBaseMs: estimated(61),
      eagerSequenceMs: estimated(0.28),
      prefillTokenMs: measured(0.476),
      kvTokens: measured(30_000),
      maxBatchPrefillTokens: estimated(8_050),
    },
  },
};
