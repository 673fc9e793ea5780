import { TransportError } from "../transport.ts";

/** How many bytes a blob store holds, and how many it may. */
export class Budget {
  readonly budgetBytes: number;
  readonly #onSpace: () => void;
  bytes = 0;

  /** `onSpace` is called whenever bytes were given back. */
  constructor(budgetBytes: number, onSpace: () => void) {
    this.budgetBytes = budgetBytes;
    this.#onSpace = onSpace;
  }

  /** Throws `full` when the budget would be passed. */
  take(bytes: number): void {
    if (this.bytes + bytes > this.budgetBytes) {
      throw new TransportError(
        "full",
        `A blob of ${bytes} bytes does not fit: ${this.bytes} of ${this.budgetBytes} bytes are used.`,
      );
    }
    this.bytes += bytes;
  }

  giveBack(bytes: number): void {
    if (bytes === 0) return;
    this.bytes -= bytes;
    this.#onSpace();
  }
}
