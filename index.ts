/** Tiding as a library: whatever a command does, a program can do. */
export { jobStatus, type JobStatus } from "./jobs/job-status.ts";
export { previewJob, type PreviewRow } from "./jobs/preview-job.ts";
export { retryJob } from "./jobs/retry-job.ts";
export { runJob, type RunJobOptions } from "./jobs/run-job.ts";
export { ERROR_CODES, isTidingError, TidingError, type ErrorClass, type ErrorCode } from "./shared/errors.ts";
export type {
  CallCounts,
  EndpointProgress,
  FailureCount,
  JobOutcome,
  JobProgress,
  JobReport,
  RowCounts,
} from "./shared/observe/job-report.ts";
export type { Column, ColumnType, RowSchema, RowValues } from "./shared/rows/row-schema.ts";
export { defineJob, type JobSpec, type JobSpecInput, type LLMSpec } from "./shared/spec/job-spec.ts";
export { jobSpecJsonSchema } from "./shared/spec/json-schema.ts";
export { loadSpec, specFromObject } from "./shared/spec/load-spec.ts";
export type { LoadedSpec, SecretResolver } from "./shared/spec/loaded-spec.ts";
export {
  defineTask,
  type ChatMessage,
  type FinishReason,
  type GenerateOptions,
  type Generation,
  type Task,
  type TaskLLM,
  type TaskRun,
} from "./shared/task/task.ts";
export { LLM, type LLMCall, type ServedModel } from "./worker/llms/llm.ts";
export type { LLMContext } from "./worker/llms/load-llm-module.ts";
