/** Tiding as a library: whatever a command does, a program can do. */
export type { Plan, PlanRange } from "./bench/plan/plan-document.ts";
export { planJob } from "./bench/plan/plan-job.ts";
export type { PlanOptions } from "./bench/plan/plan-options.ts";
export type { PlanPrices, TokenPrice } from "./bench/plan/prices.ts";
export type { BenchReport } from "./bench/report/bench-report.ts";
export { readReport } from "./bench/report/read-report.ts";
export {
  coordinatorAtWork,
  listJobs,
  listWorkers,
  showJob,
  type BrokerJobs,
  type BrokerWorkers,
  type CoordinatorView,
  type SubmittedJob,
  type Unreadable,
  type WorkerView,
} from "./jobs/broker-view.ts";
export { coordinate, type CoordinateOptions } from "./jobs/coordinate.ts";
export type { JobBroker, OpenBroker } from "./jobs/engine.ts";
export { followSubmitted, type FollowSubmittedOptions } from "./jobs/follow-submitted.ts";
export { jobStatus, type JobStatus } from "./jobs/job-status.ts";
export {
  openBroker,
  openJobBroker,
  sharedBroker,
  type BrokerOptions,
  type ProvisionOptions,
} from "./jobs/open-broker.ts";
export { orderJob } from "./jobs/order-job.ts";
export { previewJob, type PreviewRow } from "./jobs/preview-job.ts";
export { probeEndpoint, type EndpointProbe, type ProbedLLM, type ProbeEndpointOptions } from "./jobs/probe-endpoint.ts";
export { retryJob } from "./jobs/retry-job.ts";
export { runJob, type RunJobOptions } from "./jobs/run-job.ts";
export type { StandardInput } from "./jobs/standard-input.ts";
export { submitJob, type SubmittedId } from "./jobs/submit-job.ts";
export { workForBroker, type WorkOptions } from "./jobs/work-for-broker.ts";
export { ERROR_CODES, isTidingError, TidingError, type ErrorClass, type ErrorCode } from "./shared/errors.ts";
export type {
  BatchProgress,
  CallCounts,
  EndpointLeft,
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
  type GeneratedImage,
  type Generation,
  type JsonSchema,
  type StructuredOutput,
  type Task,
  type TaskLLM,
  type TaskRun,
} from "./shared/task/task.ts";
export type { Standing } from "./shared/protocol/standing-record.ts";
export type { Transport } from "./shared/transport/transport.ts";
export { endpointPrice, type EndpointPrice, type HardwareOffer } from "./worker/llms/hub/endpoint-hardware.ts";
export type { EndpointHardware, EndpointRecord, EndpointState } from "./worker/llms/hub/endpoint-record.ts";
export type {
  EndpointChanges,
  EndpointImage,
  EndpointModel,
  EndpointScaling,
  EndpointSettings,
  EndpointType,
} from "./worker/llms/hub/endpoint-settings.ts";
export {
  InferenceEndpoints,
  type EndpointList,
  type InferenceEndpointsOptions,
  type ListOptions,
  type WaitOptions,
} from "./worker/llms/hub/inference-endpoints.ts";
export { InferenceEndpointsLLM, type StreamOptions } from "./worker/llms/inference-endpoints-llm.ts";
export type {
  GeneratedOutputs,
  GenerateOutputsOptions,
  LibraryGenerateOptions,
  OutputsInput,
} from "./worker/llms/library-calls.ts";
export { LLM, type LLMCall, type ServedModel } from "./worker/llms/llm.ts";
export type { InferenceEndpointsLLMOptions } from "./worker/llms/llm-options.ts";
export type { LLMContext } from "./worker/llms/load-llm-module.ts";
export { builtInTasks } from "./worker/tasks/load-task.ts";
export type { CardInput, CardOutput, TaskDescription } from "./worker/tasks/task-card.ts";
export type { ServerKind, ServerLimits } from "./worker/llms/recognise-server.ts";
export type { ServerRoute } from "./worker/llms/server-routes.ts";
export {
  TransformersLLM,
  type TransformersGenerateOptions,
  type TransformersLLMOptions,
} from "./worker/llms/transformers/transformers-llm.ts";
