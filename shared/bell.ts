/** Wakes whoever waits for "something changed". A ring that nobody waits for is forgotten: look first, then wait. */
export class Bell {
  #waiting: (() => void)[] = [];

  ring(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves at the next ring. */
  heard(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
