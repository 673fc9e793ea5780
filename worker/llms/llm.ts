/**
 * The LLM port: one request to one endpoint. Extending it takes one method, `call`.
 *
 * Slots, routing, retries, circuits and deadlines are the engine's (worker/endpoints/): `call` makes exactly one
 * request and throws a `TidingError` whose code says what came of it, and `isUnsent` that there was no request. Any other
 * error counts as `LLM_FAILED`.
 */
import type { Generation, LLMInput, StructuredOutput } from "../../shared/task/task.ts";

export interface LLMCall {
  readonly input: LLMInput;
  /** One of `endpoints`. */
  readonly endpoint: string;
  /** Without a seed: `seed` is the call's. */
  readonly generationKwargs: Readonly<Record<string, unknown>>;
  /** The form that the answer must have; null for any. What the LLM cannot ask of its server it leaves to the caller's check. */
  readonly structuredOutput: StructuredOutput | null;
  /** Magpie: the model is to write the next message of the user. */
  readonly preQuery: boolean;
  /** 0 to 2^53-1. */
  readonly seed: number;
  /** Aborted when the answer is no longer wanted: the request must end and its slot come free. */
  readonly signal: AbortSignal;
}

/** What an endpoint says it serves; part of the job's fingerprint. */
export interface ServedModel {
  readonly server: string;
  readonly model: string;
  readonly revision: string | null;
  /** Requests in flight that the server takes at most; more slots than this would only be refused. */
  readonly maxConcurrentRequests?: number;
  /** What the user should know before the job starts, as sentences. */
  readonly advice?: readonly string[];
}

export abstract class LLM {
  /** The name that `model_name` columns show. */
  abstract get modelName(): string;
  /** Names of the endpoints that share the work; each has a slot pool and a circuit of its own. */
  get endpoints(): readonly string[] {
    return ["local"];
  }
  /** Asks an endpoint what it serves. Throws like `call`. */
  async probe(_endpoint: string, _signal: AbortSignal): Promise<ServedModel> {
    return { server: "custom", model: this.modelName, revision: null };
  }
  abstract call(call: LLMCall): Promise<Generation>;
  async close(): Promise<void> {}
}
