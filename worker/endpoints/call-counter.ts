/** Counts what a gateway sends and what comes of it. */
import type { ErrorClass } from "../../shared/errors.ts";
import type { CallCounts } from "../../shared/observe/job-report.ts";
import type { Generation } from "../../shared/task/task.ts";

export class CallCounter {
  #requests = 0;
  #answers = 0;
  #cutByLength = 0;
  #inputTokens = 0;
  #outputTokens = 0;
  readonly #retries: Record<ErrorClass, number> = {
    "back-pressure": 0,
    transient: 0,
    "endpoint-down": 0,
    row: 0,
    job: 0,
    usage: 0,
    engine: 0,
  };

  sent(): void {
    this.#requests++;
  }

  /** Of a call that was counted as sent when it had its slot, and then turned out to be none. */
  notSent(): void {
    this.#requests--;
  }

  answered({ finishReason, inputTokens, outputTokens }: Generation): void {
    this.#answers++;
    if (finishReason === "length") this.#cutByLength++;
    this.#inputTokens += inputTokens ?? 0;
    this.#outputTokens += outputTokens ?? 0;
  }

  retried(errorClass: ErrorClass): void {
    this.#retries[errorClass]++;
  }

  read(): CallCounts {
    return {
      requests: this.#requests,
      answers: this.#answers,
      retries: { ...this.#retries },
      cutByLength: this.#cutByLength,
      inputTokens: this.#inputTokens,
      outputTokens: this.#outputTokens,
    };
  }
}
