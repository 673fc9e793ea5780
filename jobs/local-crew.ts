import { sumCalls } from "../shared/observe/call-counts.ts";
import type { LLMGateway } from "../worker/endpoints/llm-gateway.ts";
import { sumSlotUse } from "../worker/endpoints/slot-use.ts";
import type { Worker } from "../worker/worker.ts";
import type { Crew, CrewNumbers } from "./crew.ts";

/** The one worker of a job on the embedded transport. */
export class LocalCrew implements Crew {
  readonly #worker: Worker;
  readonly #gateways: readonly LLMGateway[];

  constructor(worker: Worker, gateways: readonly LLMGateway[]) {
    this.#worker = worker;
    this.#gateways = gateways;
  }

  get slots(): number {
    return this.#gateways.reduce((sum, gateway) => sum + gateway.capacity, 0);
  }

  numbers(): CrewNumbers {
    return {
      accepted: this.#worker.accepted,
      failed: this.#worker.failed,
      rowsRunning: this.#worker.rowsRunning,
      hasStartedAll: this.#worker.hasStartedAll,
      calls: sumCalls(this.#gateways.map((gateway) => gateway.counts())),
      endpoints: this.#gateways.flatMap((gateway) => gateway.endpoints()),
      slotUse: sumSlotUse(this.#gateways.map((gateway) => gateway.slotUse())),
      waitingFor: this.#gateways.map((gateway) => gateway.waitingFor()).find((waiting) => waiting !== null) ?? null,
      trouble: null,
    };
  }

  drain(graceMs: number, now: AbortSignal): Promise<void> {
    return this.#worker.drain(graceMs, now);
  }

  dismiss(): Promise<void> {
    return this.close();
  }

  close(): Promise<void> {
    return this.#worker.drain(0, AbortSignal.abort());
  }
}
