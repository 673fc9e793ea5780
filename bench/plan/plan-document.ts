/** The one JSON document of a plan. Every other form of it is made from this. */
import { z } from "zod";

export const PLAN_VERSION = 1;

/** `low` to `high` is what eight of ten possible worlds lie in, p10 to p90; without a sample, what is thought possible. */
const Range = z.strictObject({ low: z.number(), likely: z.number(), high: z.number() });
export type PlanRange = z.output<typeof Range>;

const count = z.int().nonnegative();

/** Requests and tokens of the whole job, or of one step of it. */
const Use = z.strictObject({
  /** Requests, those included that are tried again. */
  calls: Range,
  input_tokens: Range,
  output_tokens: Range,
});

export const Plan = z.strictObject({
  version: z.literal(PLAN_VERSION),
  kind: z.literal("plan"),
  tiding: z.string(),
  created_at: z.string(),
  job: z.strictObject({ name: z.string(), output: z.string() }),
  seed: count,
  rows: z.strictObject({
    /** Of the job: behind `input.offset`, up to `input.limit`. */
    total: count,
    /** Landed or committed by earlier runs into the same output. */
    done: count,
    to_run: count,
    /**
     * `spec`: the spec says it; `files`: the input's files do; `read`: the input was read through; `estimated`: from the
     * bytes of some rows.
     */
    counted: z.enum(["spec", "files", "read", "estimated"]),
    /** Standard error of the total as a share; 0 unless estimated. */
    error: z.number().nonnegative(),
    /** Expected to fail unread, because they cannot be read. */
    unreadable: count,
  }),
  /** What was run for real; null without a sample. */
  sample: z
    .strictObject({
      rows: count,
      failed: count,
      calls: count,
      input_tokens: count,
      output_tokens: count,
      seconds: z.number(),
      /** US dollars for its tokens, or for its time. Null where no price is known. */
      dollars: z.number().nullable(),
      errors: z.array(z.strictObject({ row_id: count, code: z.string(), message: z.string() })),
    })
    .nullable(),
  ...Use.shape,
  /** Rows that are not accepted, the unreadable ones included. */
  failed_rows: Range,
  /** Null where nothing is known of how fast the endpoints are. */
  seconds: Range.nullable(),
  /** The time, and a cost by the hour, is no more than a bound: the job goes beyond what is known of the endpoint. */
  time_is_bound: z.boolean(),
  /** US dollars; null where no price is known, or where it is by the hour and the time is not known. */
  dollars: Range.nullable(),
  steps: z.array(
    z.strictObject({
      name: z.string(),
      task: z.string(),
      /** Names of the endpoints; empty for a step without a model. */
      endpoints: z.array(z.string()),
      /** Requests at a time, to all of them. */
      slots: count,
      ...Use.shape,
      /** US dollars for tokens alone. */
      dollars: Range.nullable(),
    }),
  ),
  /** By endpoint, what its speed is taken from. */
  endpoints: z.array(
    z.strictObject({
      endpoint: z.string(),
      basis: z.enum(["preset", "bench", "sample", "none"]),
      /** The preset's name, or the bench run's id. */
      name: z.string().nullable(),
      /** US dollars an hour; null where none is known or given. */
      price_per_hour: z.number().nullable(),
    }),
  ),
  /** Sentences: what these figures are made of. */
  rests_on: z.array(z.string()),
  /** Sentences: what should be known before believing them. */
  warnings: z.array(z.string()),
  /** The command that does what was planned. */
  next: z.string(),
});
export type Plan = z.output<typeof Plan>;
