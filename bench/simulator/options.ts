import { z } from "zod";
import { TidingError } from "../../shared/errors.ts";
import { BatchOptions } from "./batching/batch-options.ts";
import { PRESET_NAMES } from "./batching/preset-figures.ts";
import { FAULT_KINDS } from "./faults.ts";

const share = z.number().min(0).max(1);

const Latency = z.strictObject({
  distribution: z
    .enum(["none", "fixed", "uniform", "lognormal"])
    .default("none")
    .describe("How answer times spread over prompts; none: every answer at once."),
  medianMs: z.number().nonnegative().default(0).describe("Median time of an answer, in milliseconds."),
  sigma: z
    .number()
    .nonnegative()
    .default(0.5)
    .describe("Spread: the standard deviation of the logarithm (lognormal), or the half width as a share (uniform)."),
  stragglers: z
    .strictObject({
      share: share.default(0).describe("Share of prompts whose answers take `factor` times as long."),
      factor: z.number().positive().default(10).describe("How many times as long a straggler takes."),
    })
    .prefault({}),
});

const Faults = z
  .partialRecord(z.enum(FAULT_KINDS), share)
  .refine((rates) => Object.values(rates).reduce((sum, rate) => sum + (rate ?? 0), 0) <= 1 + 1e-9, {
    error: "The rates of all faults together must be at most 1.",
  });

// How many requests and which lengths are let in, the simulator's own options say.
const Batching = BatchOptions.omit({ maxConcurrentRequests: true, maxTotalTokens: true })
  .partial()
  .extend({
    preset: z.enum(PRESET_NAMES).optional().describe("Hardware whose figures hold where nothing else is given."),
    timeScale: z
      .number()
      .positive()
      .default(1)
      .describe("How many times as long every step takes; 0.1 for a fast test."),
  });

const KnownTruth = z.strictObject({
  fixedTtftMs: z.number().positive().describe("From a place in the batch to the first token, in milliseconds."),
  stepMs: z.number().positive().describe("From each token to the next, in milliseconds."),
  maxBatch: z.int().positive().describe("Requests that have a place at once; others wait for one."),
});

const AnswerLengthOptions = z
  .strictObject({
    meanTokens: z.number().positive().describe("Mean of the normal distribution."),
    sigmaTokens: z.number().nonnegative().default(0).describe("Its standard deviation."),
    minTokens: z.int().min(2).default(2).describe("Least tokens."),
    maxTokens: z.int().min(2).default(1_000_000).describe("Most tokens."),
  })
  .refine(({ minTokens, maxTokens }) => minTokens <= maxTokens, { error: "minTokens must be at most maxTokens." });

export const SimulatorOptions = z
  .strictObject({
    host: z.string().default("127.0.0.1").describe("Address to listen on."),
    port: z.int().min(0).max(65_535).default(0).describe("Port to listen on; 0 lets the system choose."),
    serves: z
      .enum(["text", "images"])
      .default("text")
      .describe("What it is: TGI, or a server that makes images and says nothing of itself."),
    imageBytes: z.int().nonnegative().max(64_000_000).default(0).describe("Least bytes of an image."),
    model: z.string().min(1).default("simulated/magpie-1").describe("Model name to report."),
    maxConcurrentRequests: z
      .int()
      .nonnegative()
      .default(128)
      .describe("Requests in flight beyond which a request is answered 429; 0 for no limit."),
    maxInputTokens: z.int().positive().default(32_768).describe("Most prompt tokens (words) before a 422."),
    maxTotalTokens: z.int().positive().default(65_536).describe("Most prompt and new tokens together before a 422."),
    apiKey: z.string().min(1).optional().describe("Key that generation requests must bring as a bearer token."),
    latency: Latency.prefault({}).describe("How long answers take, where there is no batch."),
    batching: Batching.optional().describe("Runs requests in batches as TGI does; every replica has its own."),
    knownTruth: KnownTruth.optional().describe("Answers with fixed times and a fixed capacity, in place of batching."),
    replicas: z.int().min(1).max(64).default(1).describe("Servers behind the one address; the least loaded is taken."),
    coldStartMs: z.number().nonnegative().default(0).describe("How long loading takes, at the start and after sleep."),
    scaleToZeroMs: z.number().positive().optional().describe("Idle time after which it sleeps until a request comes."),
    keepAliveMs: z.number().positive().default(15_000).describe("Silence in a stream after which a comment is sent."),
    answerChars: z.int().positive().default(200).describe("Most characters of an answer."),
    answerTokens: z
      .int()
      .min(2)
      .optional()
      .describe("Exact tokens (words and the end of the sequence) of an answer, in place of answerChars."),
    answerLength: AnswerLengthOptions.optional().describe(
      "Tokens of an answer by its prompt, in place of answerChars.",
    ),
    seedChangesAnswer: z
      .boolean()
      .default(false)
      .describe("Whether another seed gives another answer to the same prompt."),
    streamWrites: z.int().positive().default(8).describe("How many writes a streamed answer is spread over in time."),
    faults: Faults.default({}).describe("Share of requests that meet each kind of fault."),
    faultSeed: z.int().default(0).describe("Changes which requests meet a fault."),
    faultDelayMs: z.number().nonnegative().default(2_000).describe("How late slow-first-byte is, in milliseconds."),
    retryAfterSeconds: z.int().nonnegative().default(1).describe("What Retry-After says where a fault sends it."),
    hangPrompts: z
      .array(z.string().min(1))
      .default([])
      .describe("Prompts that contain one of these never get an answer."),
    failPrompts: z.array(z.string().min(1)).default([]).describe("Prompts that contain one of these always get a 422."),
    log: z
      .string()
      .min(1)
      .optional()
      .describe("File to append the request log to, or `memory` to keep the newest requests in memory."),
    logTokens: z.boolean().default(false).describe("Whether the log has the time of each token that a batch streams."),
    memoryLogEntries: z.int().positive().default(100_000).describe("Most requests that a log in memory keeps."),
  })
  .refine((options) => options.maxInputTokens < options.maxTotalTokens, {
    error: "maxInputTokens must be less than maxTotalTokens.",
    path: ["maxInputTokens"],
  })
  .refine((options) => options.batching === undefined || options.knownTruth === undefined, {
    error: "Give batching or knownTruth, not both.",
    path: ["knownTruth"],
  })
  .refine((options) => options.answerTokens === undefined || options.answerLength === undefined, {
    error: "Give answerTokens or answerLength, not both.",
    path: ["answerLength"],
  });
/** What a caller may write. */
export type SimulatorInput = z.input<typeof SimulatorOptions>;
/** What the simulator runs on: defaults filled in. */
export type SimulatorOptions = z.output<typeof SimulatorOptions>;

/** Checks options and fills in defaults. Throws `USAGE`, naming each wrong option. */
export function parseSimulatorOptions(input: SimulatorInput): SimulatorOptions {
  const parsed = SimulatorOptions.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "options"}: ${issue.message}`);
  throw new TidingError("USAGE", `The simulator's options are not valid. ${problems.join(" ")}`, {
    place: "simulator options",
    mend: "Correct the options named.",
  });
}
