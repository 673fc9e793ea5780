/** A job's steps as a worker runs them: tasks, the gateways to their models, and the columns between them. */
import type { ColumnType } from "../shared/rows/row-schema.ts";
import type { Task } from "../shared/task/task.ts";
import type { GatewayAnswer } from "./endpoints/gateway-call.ts";
import type { LLMGateway } from "./endpoints/llm-gateway.ts";
import type { StepForms } from "./structured/step-forms.ts";

export interface PipelineStep {
  readonly name: string;
  readonly index: number;
  readonly task: Task;
  /** Null for a task that calls no LLM. */
  readonly gateway: LLMGateway | null;
  readonly modelName: string;
  readonly forms: StepForms;
  /** Task input to row column, where the names differ. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: readonly StepOutput[];
  readonly numGenerations: number;
  readonly groupGenerations: boolean;
  readonly keepPartial: boolean;
}

export interface StepOutput {
  /** The task's name for the column. */
  readonly from: string;
  /** The dataset's name for it. */
  readonly to: string;
  readonly type: ColumnType | "inferred";
}

/** An answer, and what it answers. */
export interface RowAnswer {
  readonly rowId: number;
  /** Index of the step. */
  readonly step: number;
  readonly generation: number;
  readonly answer: GatewayAnswer;
}

export interface Pipeline {
  readonly seed: number;
  /** Retry round, 0 for the first run: a row that is run again gets seeds of its own. */
  readonly round: number;
  readonly steps: readonly PipelineStep[];
  /** Told of every answer, also of those that were no use or whose row failed later. */
  readonly onAnswer?: (answered: RowAnswer) => void;
}
