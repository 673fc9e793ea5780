/** Slots in use and slots there were, as integrals over time: the difference of two readings gives the mean between them. */
export interface SlotUse {
  readonly inUseMs: number;
  readonly capacityMs: number;
}

export class SlotUseMeter {
  #inUse = 0;
  #capacity: number;
  #atMs: number;
  #inUseMs = 0;
  #capacityMs = 0;

  constructor(capacity: number, nowMs: number) {
    this.#capacity = capacity;
    this.#atMs = nowMs;
  }

  change(inUse: number, capacity: number, nowMs: number): void {
    const elapsedMs = nowMs - this.#atMs;
    this.#inUseMs += this.#inUse * elapsedMs;
    this.#capacityMs += this.#capacity * elapsedMs;
    this.#atMs = nowMs;
    this.#inUse = inUse;
    this.#capacity = capacity;
  }

  read(nowMs: number): SlotUse {
    this.change(this.#inUse, this.#capacity, nowMs);
    return { inUseMs: this.#inUseMs, capacityMs: this.#capacityMs };
  }
}

export function sumSlotUse(uses: readonly SlotUse[]): SlotUse {
  return {
    inUseMs: uses.reduce((sum, use) => sum + use.inUseMs, 0),
    capacityMs: uses.reduce((sum, use) => sum + use.capacityMs, 0),
  };
}
