/**
 * An LLM whose answers come by offline batches: `InferenceEndpointsLLM` makes the same bodies and reads the same answers,
 * and only the way between the two is another. Who runs the job says where answers come from.
 */
import { isTidingError, TidingError } from "../../../shared/errors.ts";
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import type { Generation } from "../../../shared/task/task.ts";
import { endpointAddress } from "../endpoint-address.ts";
import type { HttpAnswer } from "../http-client.ts";
import { InferenceEndpointsLLM } from "../inference-endpoints-llm.ts";
import type { InferenceEndpointsContext } from "../inference-endpoints-llm.ts";
import { LLM } from "../llm.ts";
import type { LLMCall, ServedModel } from "../llm.ts";
import { requestHeaders } from "../request-headers.ts";
import { BatchApi } from "./batch-api.ts";
import { batchRequest } from "./batch-lines.ts";
import type { BatchRequest } from "./batch-lines.ts";

/** The answer to a request, in the server's words. May throw a `TidingError` in its place. */
export type AnswerSource = (request: BatchRequest) => Promise<HttpAnswer>;

export class BatchedLLM extends LLM {
  /** Where its batches are submitted. */
  readonly api: BatchApi;
  readonly #inner: InferenceEndpointsLLM;
  #source: AnswerSource | null = null;

  /** Throws `SPEC_INVALID` and `SECRET_MISSING`. */
  constructor(spec: LLMSpec, context: InferenceEndpointsContext) {
    super();
    const address = endpointAddress([spec.base_url ?? []].flat()[0] ?? "");
    this.api = new BatchApi({
      address,
      request: requestHeaders(spec, address, context.secret),
      environment: context.environment,
    });
    this.#inner = new InferenceEndpointsLLM(spec, {
      ...context,
      send: (client, request) =>
        this.#source === null ? client.send(request) : this.#source(batchRequest(request.path, request.body ?? "")),
    });
  }

  /** From now on; null for the server itself, call by call, as a preview wants it. */
  answerFrom(source: AnswerSource | null): void {
    this.#source = source;
  }

  override get modelName(): string {
    return this.#inner.modelName;
  }

  override get endpoints(): readonly string[] {
    return this.#inner.endpoints;
  }

  override probe(name: string, signal: AbortSignal): Promise<ServedModel> {
    return this.#inner.probe(name, signal);
  }

  override async call(call: LLMCall): Promise<Generation> {
    try {
      return await this.#inner.call(call);
    } catch (error) {
      throw this.#source === null ? error : settledError(error);
    }
  }

  override async close(): Promise<void> {
    await this.api.close();
    await this.#inner.close();
  }
}

/** Answers of a batch do not change by being read again: what would be tried again by a live endpoint has failed here. */
function settledError(error: unknown): unknown {
  if (!isTidingError(error) || ["row", "usage", "engine"].includes(error.class)) return error;
  // No server says so: the source itself has no answer and never will.
  if (error.code === "TASK_INVALID") return error;
  const { message, place, rawResponse } = error;
  return new TidingError("BATCH_REQUEST_FAILED", `In its batch this request failed for good: ${message}`, {
    ...(place === undefined ? {} : { place }),
    ...(rawResponse === undefined ? {} : { rawResponse }),
    cause: error,
  });
}
