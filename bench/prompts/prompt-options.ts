/**
 * What the prompts of a benchmark are to be: plain data that can be cloned to another thread, so that each thread opens the
 * same prompts for itself. Holds no secret: a tokenizer's repository is reached with what the environment says.
 */
import { z } from "zod";
import { TidingError } from "../../shared/errors.ts";

/**
 * A length in tokens: a normal distribution, drawn again until it lies within the bounds, both included. `std` is the
 * standard deviation. Bounds that are far from the middle move the mean of what is drawn.
 */
export const LengthSpec = z
  .strictObject({
    mean: z.number().positive(),
    std: z.number().nonnegative().default(0),
    min: z.int().positive().optional(),
    max: z.int().positive().optional(),
  })
  .refine(({ min, max }) => min === undefined || max === undefined || min <= max, {
    message: "has a min above its max",
  })
  .refine(({ mean, min, max }) => mean >= (min ?? 1) && mean <= (max ?? Infinity), {
    message: "has a mean outside its min and max",
  });
export type LengthSpec = z.output<typeof LengthSpec>;

const DatasetSource = z.strictObject({
  kind: z.literal("dataset"),
  /** A file, a glob, or a list of them, as a job's `input.path`. */
  path: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  format: z.enum(["jsonl", "csv", "parquet", "arrow"]).optional(),
  /** Texts, or conversations as lists of `{role, content}` or ShareGPT's `{from, value}`; found by its name when absent. */
  column: z.string().min(1).optional(),
  csv: z.strictObject({ delimiter: z.string().min(1).optional(), header: z.array(z.string()).optional() }).optional(),
  /** At most so many rows are kept in memory. */
  sampleRows: z.int().positive().max(1_000_000).default(1_000),
  /** The sample is drawn from the first so many rows, so that a large dataset need not be read whole. */
  scanRows: z.int().positive().default(100_000),
  /** `seeded`: drawn and put in order by the seed. `file`: the first rows as they stand. */
  order: z.enum(["seeded", "file"]).default("seeded"),
});

/** Different prompts that synthetic text has room for. */
export const MOST_SYNTHETIC = 65_536;

const SyntheticSource = z.strictObject({
  kind: z.literal("synthetic"),
  /** Tokens of the whole prompt, with nonce and shared prefix, but without what a chat template adds. */
  tokens: LengthSpec,
  /** Different prompts; then they come again. */
  count: z.int().positive().max(MOST_SYNTHETIC).default(MOST_SYNTHETIC),
  /** What the words are for, so that answers run long: a server without `ignore_eos` stops where the model does. */
  instruction: z.string().default("Tell a very long story with these words:"),
});

export const PromptOptions = z.strictObject({
  source: z.discriminatedUnion("kind", [DatasetSource, SyntheticSource]),
  /** Most tokens of each answer. */
  maxTokens: z.union([
    z
      .int()
      .positive()
      .transform((mean) => ({ mean, std: 0 })),
    LengthSpec,
  ]),
  /** Draws everything: rows, lengths, words, groups. */
  seed: z
    .int()
    .nonnegative()
    .max(2 ** 32 - 1)
    .default(1),
  /** Names the run. With the seed it decides the nonces, so that no run finds its prompts in a cache that another filled. */
  run: z.string().default(""),
  /** Each prompt begins with words of its own, so that no prefix cache helps. */
  nonce: z.boolean().default(true),
  /**
   * So many `groups` with a text of `tokens` tokens each; a `share` of the prompts begins with the text of one of them, and
   * only then with its nonce. The texts belong to the run: the first prompt of a group finds nothing in a cache.
   */
  sharedPrefix: z
    .strictObject({
      groups: z.int().positive().max(10_000).default(1),
      tokens: z.int().positive(),
      share: z.number().positive().max(1).default(1),
    })
    .nullable()
    .default(null),
  /** A folder, a tokenizer.json or a Hub id, by which lengths are made, and conversations rendered for raw routes. */
  tokenizerId: z.string().min(1).nullable().default(null),
  /** What relative paths start from. */
  folder: z.string().min(1),
});
/** As the caller writes it; what is left out has its default. */
export type PromptOptions = z.input<typeof PromptOptions>;
export type SettledPrompts = z.output<typeof PromptOptions>;
export type DatasetSource = z.output<typeof DatasetSource>;
export type SyntheticSource = z.output<typeof SyntheticSource>;

/** Fills in the defaults. Throws `USAGE`. */
export function settlePrompts(options: PromptOptions): SettledPrompts {
  const settled = PromptOptions.safeParse(options);
  if (settled.success) return settled.data;
  const [issue] = settled.error.issues;
  throw refusedPrompts(`The prompts cannot be made so: ${issue?.message ?? "they are malformed"}.`, {
    key: issue?.path.join(".") ?? "",
    mend: "Correct the option; lengths are mean, std, min and max in tokens.",
  });
}

export function refusedPrompts(
  message: string,
  { key, mend }: { readonly key: string; readonly mend: string },
): TidingError {
  return new TidingError("USAGE", message, { place: key === "" ? "prompts" : `prompts.${key}`, mend });
}
