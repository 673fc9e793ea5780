import { z } from "zod";
import { TidingError } from "../../../shared/errors.ts";
import type { StepTimeOptions } from "./step-time.ts";

const StepLine = z.strictObject({
  baseMs: z.number().nonnegative().describe("Milliseconds of a step, whatever its sequences."),
  sequenceMs: z.number().nonnegative().describe("Milliseconds more for each sequence."),
});

const StepTime = z.strictObject({
  graphs: StepLine.describe("Steps that only decode, of at most graphSequences."),
  eager: StepLine.describe("All other steps."),
  graphSequences: z.int().nonnegative().default(32).describe("Most sequences of a captured CUDA graph."),
  prefillTokenMs: z.number().nonnegative().default(0).describe("Milliseconds for each prompt token computed."),
  kvTokenMs: z.number().nonnegative().default(0).describe("Milliseconds for each token of context read."),
});

/** Without defaults, so that a part of them can change a preset. */
export const BatchOptions = z.strictObject({
  stepTime: StepTime.describe("How long a forward pass takes."),
  kvTokens: z.int().positive().describe("Tokens that the key-value cache holds."),
  blockTokens: z.int().positive().describe("Tokens of a block: flashinfer 1, flashdecoding 256, paged 16."),
  prefixCache: z.boolean().describe("Whether prompts' prefixes are kept and shared."),
  chunkedPrefill: z.boolean().describe("Whether prompts are computed in chunks beside decoding."),
  maxBatchPrefillTokens: z.int().positive().describe("Most prompt tokens in one step."),
  maxBatchSize: z.int().positive().nullable().describe("Most sequences; null for no limit but memory."),
  waitingServedRatio: z
    .number()
    .nonnegative()
    .describe(
      "Without chunks: least waiting requests, as a share of those running, before the running ones are held up.",
    ),
  maxWaitingTokens: z
    .int()
    .nonnegative()
    .describe("Without chunks: decode steps after which any waiting request is let in."),
  maxTotalTokens: z
    .int()
    .positive()
    .nullable()
    .describe("Most prompt and new tokens of one request, as far as allotted; null for no limit but memory."),
  maxConcurrentRequests: z
    .int()
    .nonnegative()
    .describe("Waiting and running requests beyond which one is refused; 0 for no limit."),
});
/** What `BatchEngine` runs on. */
export type BatchOptions = z.output<typeof BatchOptions>;
/** What a caller may write: all but the times and the memory has a default. */
export type BatchInput = Pick<z.input<typeof BatchOptions>, "stepTime" | "kvTokens"> &
  Partial<z.input<typeof BatchOptions>>;

/** Those of TGI v3's launcher where it has one. */
const DEFAULTS = {
  blockTokens: 1,
  prefixCache: true,
  chunkedPrefill: true,
  maxBatchPrefillTokens: 4096,
  maxBatchSize: null,
  waitingServedRatio: 0.3,
  maxWaitingTokens: 20,
  maxTotalTokens: null,
  maxConcurrentRequests: 0,
} satisfies Partial<BatchOptions>;

/** Checks options and fills in defaults. Throws `USAGE`, naming each wrong option. */
export function parseBatchOptions(input: BatchInput): BatchOptions {
  const parsed = BatchOptions.safeParse({ ...DEFAULTS, ...input });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "options"}: ${issue.message}`);
  throw new TidingError("USAGE", `The options of the batch are not valid. ${problems.join(" ")}`, {
    place: "batching options",
    mend: "Correct the options named.",
  });
}

/** The same batch with every step `factor` times as long. */
export function withTimeScale(options: BatchOptions, factor: number): BatchOptions {
  const { graphs, eager, graphSequences, prefillTokenMs, kvTokenMs } = options.stepTime;
  const scaled = ({ baseMs, sequenceMs }: StepTimeOptions["eager"]): StepTimeOptions["eager"] => {
    return { baseMs: baseMs * factor, sequenceMs: sequenceMs * factor };
  };
  const stepTime = {
    graphs: scaled(graphs),
    eager: scaled(eager),
    graphSequences,
    prefillTokenMs: prefillTokenMs * factor,
    kvTokenMs: kvTokenMs * factor,
  };
  return { ...options, stepTime };
}
