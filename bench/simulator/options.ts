import { z } from "zod";
import { TidingError } from "../../shared/errors.ts";
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
    latency: Latency.prefault({}).describe("How long answers take."),
    answerChars: z.int().positive().default(200).describe("Most characters of an answer."),
    answerTokens: z
      .int()
      .min(2)
      .optional()
      .describe("Exact tokens (words and the end of the sequence) of an answer, in place of answerChars."),
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
    memoryLogEntries: z.int().positive().default(100_000).describe("Most requests that a log in memory keeps."),
  })
  .refine((options) => options.maxInputTokens < options.maxTotalTokens, {
    error: "maxInputTokens must be less than maxTotalTokens.",
    path: ["maxInputTokens"],
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
