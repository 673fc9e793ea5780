/**
 * The job spec: one schema that validates it, gives its types, and is published as JSON Schema (`tiding schema`).
 *
 * Data keys keep the names that users of distilabel know. Unknown keys are refused, and so are keys that belong to the
 * design but are not built yet (`not-built.ts`), with a message of their own.
 */
import { z } from "zod";
import type { ColumnType } from "../rows/row-schema.ts";
import { canonicalForm } from "../structured/written-form.ts";
import type { ZodSchema } from "./zod-schema.ts";
import { ENDPOINT_LLM_KEYS } from "./endpoint-keys.ts";
import { FORMED_STEP_KEYS } from "./formed-task-keys.ts";
import { MAGPIE_LLM_KEYS, MAGPIE_STEP_KEYS, SystemPrompts } from "./magpie-keys.ts";

const durationUnits = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A duration as a person writes it, `90`, `"90s"`, `"15m"`; in milliseconds once parsed. */
const Duration = z
  .union([
    z.number().nonnegative().meta({ description: "Seconds." }),
    z.string().regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, "a number of seconds, or a text such as 30s, 15m, 2h"),
  ])
  .transform((value) => {
    if (typeof value === "number") return value * 1_000;
    const unit = (/[a-z]+$/.exec(value)?.[0] ?? "s") as keyof typeof durationUnits;
    return Number.parseFloat(value) * durationUnits[unit];
  });

const scalarTypes = [
  "string",
  "bool",
  "int32",
  "int64",
  "float32",
  "float64",
  "binary",
  "timestamp",
  "date",
  "json",
  "image",
] as const;

export const ColumnTypeSpec: z.ZodType<ColumnType> = z
  .lazy(() =>
    z.union([
      z.enum(scalarTypes),
      z.strictObject({ list: z.lazy(() => ColumnTypeSpec).describe("Type of the list's entries.") }),
      z.strictObject({ struct: z.record(z.string(), ColumnTypeSpec).describe("Type of each field, by its name.") }),
    ]),
  )
  .meta({ id: "ColumnType", description: "A column's type." });

const Columns = z.union([z.array(z.string()).min(1), z.record(z.string(), z.string())]);

export const InputSpec = z.strictObject({
  path: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .describe(
      "A file, a glob, or a list of them, relative to the spec's folder. Read in the order given; a glob by name. `-` is standard input.",
    ),
  generate: z
    .strictObject({
      rows: z.int().nonnegative().describe("How many. Raising it later extends the job."),
    })
    .optional()
    .describe("In place of `path`: rows without columns, for tasks that read none."),
  format: z
    .enum(["jsonl", "csv", "parquet", "arrow"])
    .optional()
    .describe(
      "Taken from the file's name when absent: .jsonl .ndjson .json .csv .tsv .parquet .arrow .feather, with .gz or .zst behind.",
    ),
  columns: Columns.optional().describe("Columns to keep: a list of names, or new name: input's name. All when absent."),
  types: z
    .record(z.string(), ColumnTypeSpec)
    .optional()
    .describe("Types of columns where the inferred one is not wanted. CSV columns are strings unless named here."),
  limit: z.int().nonnegative().optional().describe("Most rows to take. Raising it later extends the job."),
  offset: z.int().nonnegative().default(0).describe("Rows of the input to pass over first."),
  strict: z
    .boolean()
    .default(false)
    .describe("Stop at the first row that cannot be read, in place of failing that row."),
  csv: z
    .strictObject({
      delimiter: z.string().min(1).optional().describe("Between fields; a comma, or a tab for .tsv, when absent."),
      header: z.array(z.string()).optional().describe("Names of the columns, for a file without a header line."),
    })
    .optional()
    .describe("How CSV files are read."),
});
export type InputSpec = z.output<typeof InputSpec>;

/** A secret as it stands in a spec: the environment variable that holds it. Never the secret itself. */
const SecretReference = z
  .string()
  .regex(/^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/, "a reference such as ${HF_TOKEN}, because a secret is never part of a spec");

export const GenerationKwargs = z
  .looseObject({
    max_new_tokens: z.int().positive().optional().describe("Most tokens to generate for one answer."),
    temperature: z.number().nonnegative().optional().describe("Randomness of the choice of tokens; 0 for none."),
    top_p: z
      .number()
      .positive()
      .max(1)
      .optional()
      .describe("Share of the likeliest tokens, by probability, to draw from."),
    top_k: z.int().positive().optional().describe("Number of the likeliest tokens to draw from."),
    frequency_penalty: z.number().min(-2).max(2).optional().describe("Against tokens by how often they occurred."),
    presence_penalty: z.number().min(-2).max(2).optional().describe("Against tokens that occurred at all."),
    repetition_penalty: z.number().positive().optional().describe("Against repetition; 1 for none."),
    stop_sequences: z
      .union([z.string(), z.array(z.string())])
      .optional()
      .describe("Texts at which the answer ends; sent as `stop`."),
  })
  .describe("Sent with every request. Names that are not known here travel to the server as they are.");

/** Zod schemas are gone once a spec is validated: `zod-schema.ts`. */
const WrittenSchema = z.union([z.string().min(1), z.record(z.string(), z.unknown())]) as unknown as z.ZodType<
  string | Record<string, unknown>,
  string | Record<string, unknown> | ZodSchema
>;

const StructuredOutputSpec = z
  .strictObject({
    format: z
      .enum(["json", "regex"])
      .optional()
      .describe("Told by `schema` when absent: a map, or JSON text of one, is a JSON Schema; other text is a regex."),
    schema: WrittenSchema.describe(
      "A JSON Schema (draft 2020-12), as a map or JSON text; in a TypeScript spec also of zod 4. Or a regex.",
    ),
  })
  .transform((written, context) => {
    const form = canonicalForm(written);
    if (!("expected" in form)) return form;
    context.addIssue({ code: "custom", path: [form.key], message: form.expected });
    return z.NEVER;
  });

export const LLMSpec = z.strictObject({
  class: z
    .string()
    .optional()
    .describe(
      "`InferenceEndpointsLLM`, the default; `OpenAILLM`, the same with OpenAI's address and key for defaults; `TransformersLLM`, an ONNX model in this process; or a module with a custom LLM: ./my-llm.ts",
    ),
  base_url: z
    .union([z.url(), z.array(z.url()).min(1)])
    .optional()
    .describe("Where the model is served, with or without /v1; a list spreads the requests over several endpoints."),
  model_id: z
    .string()
    .min(1)
    .optional()
    .describe(
      "The served name to ask for; asked of the server when absent. Without `base_url`, a model of the Hub's inference providers.",
    ),
  dtype: z
    .string()
    .regex(/^[a-z0-9_]+$/, "a name such as fp32, fp16, q8 or q4")
    .optional()
    .describe(
      "TransformersLLM: which of the model's files: fp32 (the default), fp16, q8, q4, q4f16, int8, uint8, bnb4.",
    ),
  device: z.string().min(1).optional().describe("TransformersLLM: where it runs: cpu (the default), cuda, webgpu."),
  model_display_name: z.string().min(1).optional().describe("What `model_name` shows in place of the served name."),
  api_key: SecretReference.optional().describe(
    "Reference to the variable with the key: ${HF_TOKEN}. For Hugging Face hosts HF_TOKEN is taken by itself.",
  ),
  headers: z
    .record(z.string(), z.string())
    .optional()
    .describe("Further request headers; values may hold ${VARIABLE}. Never stored."),
  slots: z.int().positive().max(100_000).default(64).describe("Requests in flight to each endpoint."),
  generation_kwargs: GenerationKwargs.prefault({}),
  structured_output: StructuredOutputSpec.optional().describe(
    "The form of every answer: asked of the server where it can, and checked here.",
  ),
  stream: z
    .boolean()
    .default(false)
    .describe("Ask for a stream, so that `idle_timeout` sees a server that went silent."),
  request_timeout: Duration.prefault("30m").describe("Longest that one request may take."),
  idle_timeout: Duration.prefault("5m").describe("With `stream`: longest silence within an answer."),
  fail_on_length: z
    .boolean()
    .default(false)
    .describe("Make a row fail when its answer was cut by the token limit. Otherwise it is marked and counted."),
  use_offline_batch_generation: z
    .boolean()
    .optional()
    .describe(
      "Answers come by offline batches, over OpenAI's files and batches API: a run submits them and parks, later runs collect.",
    ),
  offline_batch_generation_block_until_done: Duration.optional().describe(
    "With offline batches: wait for them in place of parking, and look this often.",
  ),
  ...ENDPOINT_LLM_KEYS,
  ...MAGPIE_LLM_KEYS,
  options: z.record(z.string(), z.unknown()).optional().describe("Handed to a custom LLM as it is."),
});
export type LLMSpec = z.output<typeof LLMSpec>;

export const StepSpec = z.strictObject({
  task: z
    .string()
    .min(1)
    .describe("A built-in task, as `tiding tasks` lists them, or a module with a task of your own: ./my-task.ts"),
  name: z.string().min(1).optional().describe("Name of the step in messages; the task's when absent."),
  columns: z
    .record(z.string(), z.string())
    .optional()
    .describe("Which column feeds each of the task's inputs: task column: input column."),
  rename: z
    .record(z.string(), z.string())
    .optional()
    .describe("New names for the task's output columns: task column: output column."),
  system_prompt: SystemPrompts.optional().describe(
    "The system prompt for rows that have none. For Magpie also a list, or a map of names, of which each row draws one; with weights as `name: [text, weight]` or `name: { prompt: text, weight: 0.5 }`.",
  ),
  template: z
    .string()
    .optional()
    .describe(
      "A Jinja template over the row's columns that makes the instruction (text-generation, structured-generation) or the prompt (image-generation).",
    ),
  reasoning: z
    .boolean()
    .default(false)
    .describe(
      "Add the column `reasoning`, for servers that keep it apart from the answer (text-generation, structured-generation).",
    ),
  ...MAGPIE_STEP_KEYS,
  ...FORMED_STEP_KEYS,
  options: z.record(z.string(), z.unknown()).optional().describe("Handed to a task of your own as it is."),
  structured_retries: z
    .int()
    .nonnegative()
    .max(20)
    .default(2)
    .describe("How often an answer that does not fit its structured output is asked for again."),
  num_generations: z.int().positive().max(1_000).default(1).describe("Answers for each row."),
  group_generations: z
    .boolean()
    .default(false)
    .describe("Keep a row's answers together as lists; otherwise each becomes a row of its own."),
  keep: z
    .enum(["all", "partial"])
    .default("all")
    .describe("When some of a row's generations failed: `all` fails the row, `partial` keeps the others."),
  llm: LLMSpec.optional().describe("The model that the task calls."),
});
export type StepSpec = z.output<typeof StepSpec>;

export const OutputSpec = z.strictObject({
  path: z.string().min(1).describe("Folder of the dataset, relative to the spec's folder."),
  format: z
    .enum(["parquet", "jsonl", "arrow"])
    .default("parquet")
    .describe("Of the parts: Parquet with zstd, JSON Lines, or the Arrow stream format."),
  columns: z.array(z.string()).min(1).optional().describe("Columns to keep, in this order. All when absent."),
  types: z.record(z.string(), ColumnTypeSpec).optional().describe("Types of task columns, in place of inferred ones."),
  metadata: z
    .boolean()
    .default(true)
    .describe("Add the `tiding` column: row id, model, tokens, seed, attempts, timings."),
  ordered: z.boolean().default(true).describe("Rewrite the few parts that stragglers left out of order at the end."),
  part_bytes: z.int().positive().default(64_000_000).describe("Uncompressed bytes at which a part is closed."),
  part_age: Duration.prefault("10m").describe("Longest that finished rows wait for their part to be closed."),
});
export type OutputSpec = z.output<typeof OutputSpec>;

export const RunSpec = z.strictObject({
  seed: z.int().nonnegative().default(42).describe("Every call's seed derives from it."),
  attempts: z.int().positive().default(6).describe("Tries of one LLM call before its row fails."),
  shard_rows: z.int().positive().max(65_536).default(256).describe("Rows of a shard. Frozen by the first run."),
  shard_bytes: z
    .int()
    .positive()
    .max(6_000_000)
    .default(4_000_000)
    .describe("Bytes at which a shard is cut early. Frozen likewise."),
  flush_interval: Duration.prefault("1s").describe("Longest that an answer waits to be committed."),
  endpoint_wait: Duration.prefault("15m").describe("How long to wait for any endpoint before the job stops."),
  grace: Duration.prefault("30s").describe("How long running requests may finish after SIGTERM or Ctrl-C."),
  stop_after_alike: z
    .int()
    .nonnegative()
    .default(50)
    .describe("Stop when this many first rows all fail with one and the same error. 0: never."),
});
export type RunSpec = z.output<typeof RunSpec>;

export const JobSpec = z
  .strictObject({
    $schema: z.string().optional().describe("For editors; not read."),
    name: z.string().min(1).max(200).optional().describe("Shown in views; the spec file's name when absent."),
    input: InputSpec.prefault({}).describe("Where the rows come from."),
    steps: z.array(StepSpec).min(1).describe("Tasks applied to every row, one after the other."),
    output: OutputSpec.describe("Where the dataset goes, and in which form."),
    run: RunSpec.prefault({}).describe("How the job runs: seed, attempts, limits of time."),
  })
  .meta({ title: "Tiding job", description: "One spec run against one input." });

/** A job spec as a user may write it. */
export type JobSpecInput = z.input<typeof JobSpec>;
/** A job spec as the engine runs it: defaults filled in, durations in milliseconds. */
export type JobSpec = z.output<typeof JobSpec>;

/** Gives a spec in a TypeScript or JavaScript module its types. */
export function defineJob(spec: JobSpecInput): JobSpecInput {
  return spec;
}
