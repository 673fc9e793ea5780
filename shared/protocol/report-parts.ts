/** What several records tell of a job's course, as schemas: the shapes are those of `shared/observe/job-report.ts`. */
import { z } from "zod";
import { ERROR_CODES, type ErrorClass, type ErrorCode } from "../errors.ts";
import type { JobProgress, JobReport } from "../observe/job-report.ts";

export const Count = z.int().nonnegative();
const codes = Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]];
const classes = [...new Set(Object.values(ERROR_CODES))] as [ErrorClass, ...ErrorClass[]];

export const ErrorRecordSchema = z.strictObject({
  code: z.enum(codes),
  message: z.string(),
  mend: z.string().nullable(),
  place: z.string().nullable(),
});

export const CallCountsSchema = z.strictObject({
  requests: Count,
  answers: Count,
  retries: z.record(z.enum(classes), Count),
  cutByLength: Count,
  inputTokens: Count,
  outputTokens: Count,
});

export const EndpointSchema = z.strictObject({
  endpoint: z.string(),
  slots: Count,
  inUse: Count,
  circuit: z.enum(["closed", "open", "half-open"]),
  reason: z.string().nullable(),
});

const RowCountsSchema = z.strictObject({ accepted: Count, failed: Count, total: Count.nullable() });

export const JobProgressSchema: z.ZodType<JobProgress> = z.strictObject({
  state: z.enum(["starting", "running", "waiting", "draining", "finishing", "finished", "stopped"]),
  waitingFor: z.string().nullable(),
  rows: RowCountsSchema,
  estimatedTotal: z.number().nullable(),
  rowsBefore: Count,
  rowsRunning: Count,
  calls: CallCountsSchema,
  endpoints: z.array(EndpointSchema),
  elapsedMs: z.number(),
  rowsPerSecond: z.number(),
  inputTokensPerSecond: z.number(),
  outputTokensPerSecond: z.number(),
  etaMs: z.number().nullable(),
});

export const JobReportSchema: z.ZodType<JobReport> = z.strictObject({
  version: z.literal(1),
  job: z.string(),
  name: z.string(),
  outcome: z.enum(["finished", "finished-with-failed-rows", "interrupted", "stopped"]),
  output: z.string(),
  format: z.string(),
  parts: Count,
  bytes: Count,
  rows: RowCountsSchema,
  committed: Count,
  run: z.strictObject({
    rows: Count,
    elapsedMs: z.number(),
    calls: CallCountsSchema,
    rowsPerSecond: z.number(),
    slotUse: z.number().nullable(),
  }),
  failures: z.array(z.strictObject({ code: z.enum(codes), rows: Count, example: z.string() })),
  // Absent in reports of a coordinator that knew nothing of them.
  endpoints: z
    .array(
      z.strictObject({
        endpoint: z.string(),
        since: z.string(),
        pricePerHour: z.number().nullable(),
        problem: z.string().nullable(),
        command: z.string(),
      }),
    )
    .default([]),
  error: ErrorRecordSchema.nullable(),
});
