import { TidingError } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { Generation } from "../../shared/task/task.ts";
import { LLM } from "../../worker/llms/llm.ts";
import type { LLMCall, ServedModel } from "../../worker/llms/llm.ts";

export const generation: Generation = {
  text: "hi",
  reasoning: null,
  finishReason: "stop",
  inputTokens: 2,
  outputTokens: 1,
  model: "m",
};
export interface Waiting {
  readonly call: LLMCall;
  readonly answer: (generation?: Partial<Generation>) => void;
  readonly fail: (code: ErrorCode, more?: { retryAfterMs?: number; isUnsent?: boolean }) => void;
}

/** An LLM whose answers the test gives, and which heeds no signal. */
export class HandLLM extends LLM {
  readonly inFlight: Waiting[] = [];
  /** Of requests in flight at once. */
  peak = 0;
  served: (endpoint: string) => ServedModel = () => ({ server: "hand", model: "m", revision: null });
  readonly #endpoints: readonly string[];
  constructor(endpoints: readonly string[] = ["a"]) {
    super();
    this.#endpoints = endpoints;
  }
  override get modelName(): string {
    return "m";
  }
  override get endpoints(): readonly string[] {
    return this.#endpoints;
  }
  override async probe(endpoint: string): Promise<ServedModel> {
    return this.served(endpoint);
  }
  override call(call: LLMCall): Promise<Generation> {
    return new Promise((resolve, reject) => {
      const done = (): void => void this.inFlight.splice(this.inFlight.indexOf(waiting), 1);
      const waiting: Waiting = {
        call,
        answer: (more = {}) => (done(), resolve({ ...generation, ...more })),
        fail: (code, more = {}) => (done(), reject(new TidingError(code, `failed with ${code}`, more))),
      };
      this.inFlight.push(waiting);
      this.peak = Math.max(this.peak, this.inFlight.length);
    });
  }
}
