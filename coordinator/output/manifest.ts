/**
 * The manifest: which parts and failed rows make up the dataset, how far the commit log is landed, and whose the output is.
 *
 * Manifests are generations, `manifest.<n>.json`; the highest is the truth. A generation is created by an exclusive
 * `link()`, so that of two writers one loses, and a sleeper that wakes cannot undo its successor.
 */
import { z } from "zod";
import { ERROR_CODES, TidingError, type ErrorCode } from "../../shared/errors.ts";
import { ColumnTypeSpec } from "../../shared/spec/job-spec.ts";

const codes = Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]];
const Column = z.strictObject({ name: z.string(), type: ColumnTypeSpec });
const Range = z.tuple([z.int().nonnegative(), z.int().nonnegative()]);

const PartEntry = z.strictObject({
  /** Relative to the output. */
  file: z.string(),
  rows: z.int().nonnegative(),
  rowIds: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  firstRow: z.int().nonnegative(),
  lastRow: z.int().nonnegative(),
  /** Which rows it holds, where it does not say so itself: `row-runs.ts`. */
  runs: z.array(z.tuple([z.int(), z.int(), z.int()])).nullable(),
});

const FailedEntry = PartEntry.extend({
  errors: z.partialRecord(z.enum(codes), z.strictObject({ rows: z.int(), example: z.string() })),
});

const SpillEntry = z.strictObject({
  shard: z.int().nonnegative(),
  /** Positions in this batch. */
  own: z.string(),
  offset: z.int().nonnegative(),
  /** In the file, as zstd. */
  packedBytes: z.int().positive(),
  /** Of the batch itself. */
  bytes: z.int().positive(),
});

export const ManifestSchema = z.strictObject({
  version: z.literal(1),
  generation: z.int().positive(),
  /** Counts the owners. */
  epoch: z.int().positive(),
  /** Names the owner's heartbeat file; null once it let go. */
  owner: z.string().nullable(),
  at: z.string(),
  state: z.enum(["running", "interrupted", "stopped", "finished"]),
  error: z
    .strictObject({
      code: z.enum(codes),
      message: z.string(),
      mend: z.string().nullable(),
      place: z.string().nullable(),
    })
    .nullable(),
  job: z.strictObject({
    id: z.string(),
    name: z.string(),
    createdAt: z.string(),
    fingerprint: z.string(),
    /** What the fingerprint was made of, so that a refusal says what differs. */
    document: z.record(z.string(), z.unknown()),
    /** The spec as it was given, without secrets: what `tiding retry` runs. */
    spec: z.record(z.string(), z.unknown()),
    folder: z.string(),
    revisions: z.array(z.strictObject({ at: z.string(), overrides: z.array(z.string()), fingerprint: z.string() })),
  }),
  plan: z.strictObject({
    shardRows: z.int().positive(),
    shardBytes: z.int().positive(),
    inputSchema: z.array(Column),
    inputFiles: z.array(
      z.strictObject({ path: z.string(), bytes: z.number(), modifiedMs: z.number(), sample: z.string() }),
    ),
    limit: z.int().nullable(),
    /** Rows of the job, once the input was read to its end or its limit. */
    total: z.int().nullable(),
  }),
  /** Types of the task's columns, frozen by the first part. */
  /** Where rows lie that are committed and not landed. */
  transport: z.enum(["embedded", "broker"]).default("embedded"),
  taskColumns: z.array(Column).nullable(),
  /** The newest log position that has nothing unlanded before it. */
  cursor: z.string().nullable(),
  parts: z.array(PartEntry),
  failed: z.array(FailedEntry),
  /** Shards that are landed, as ranges with both ends. */
  landed: z.array(Range),
  spills: z.array(z.strictObject({ file: z.string(), batches: z.array(SpillEntry) })),
  /** Failed rows that are being run again; `landed` above then speaks of the first round. */
  retry: z
    .strictObject({
      round: z.int().positive(),
      /** Shard and the positions that are run again. */
      only: z.array(z.tuple([z.int().nonnegative(), z.string()])),
      landed: z.array(Range),
    })
    .nullable(),
  /** Retry rounds begun so far. */
  rounds: z.int().nonnegative(),
});

export type Manifest = z.output<typeof ManifestSchema>;
export type PartEntry = z.output<typeof PartEntry>;
export type FailedEntry = z.output<typeof FailedEntry>;
export type SpillEntry = z.output<typeof SpillEntry>;
export type ShardRange = z.output<typeof Range>;

/** Throws `OUTPUT_DAMAGED` when the text is no manifest of this version. */
export function parseManifest(text: string, place: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged(place, cause);
  }
  const parsed = ManifestSchema.safeParse(value);
  if (!parsed.success) throw damaged(place, parsed.error);
  return parsed.data;
}

function damaged(place: string, cause: unknown): TidingError {
  return new TidingError("OUTPUT_DAMAGED", "The manifest cannot be read by this version of Tiding.", {
    place,
    mend: "Finish this output with the version of Tiding that began it, or choose another output.path.",
    cause,
  });
}
