/** Slots in use and slots there are, of all endpoints; and both as integrals over time: the difference of two readings gives the mean between them. */
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

  get inUse(): number {
    return this.#inUse;
  }
  get capacity(): number {
    return this.#capacity;
  }

  taken(nowMs: number): void {
    this.#sumUpTo(nowMs);
    this.#inUse++;
  }

  released(nowMs: number): void {
    this.#sumUpTo(nowMs);
    this.#inUse--;
  }

  resized(capacity: number, nowMs: number): void {
    this.#sumUpTo(nowMs);
    this.#capacity = capacity;
  }

  read(nowMs: number): SlotUse {
    this.#sumUpTo(nowMs);
    return { inUseMs: this.#inUseMs, capacityMs: this.#capacityMs };
  }

  #sumUpTo(nowMs: number): void {
    const elapsedMs = nowMs - this.#atMs;
    this.#inUseMs += this.#inUse * elapsedMs;
    this.#capacityMs += this.#capacity * elapsedMs;
    this.#atMs = nowMs;
  }
}

export function sumSlotUse(uses: readonly SlotUse[]): SlotUse {
  return {
    inUseMs: uses.reduce((sum, use) => sum + use.inUseMs, 0),
    capacityMs: uses.reduce((sum, use) => sum + use.capacityMs, 0),
  };
}
