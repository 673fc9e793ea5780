/** Lets bytes out in the order they were asked for, while no more than `limit` of them are under way. */
export class ByteWindow {
  readonly #limit: number;
  readonly #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Runs `send` when there is room; what is larger than the window goes alone. */
  async run<T>(bytes: number, send: () => Promise<T>): Promise<T> {
    await new Promise<void>((enter) => {
      this.#waiting.push({ bytes, enter });
      this.#admit();
    });
    try {
      return await send();
    } finally {
      this.#used -= bytes;
      this.#admit();
    }
  }

  #admit(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || (this.#used > 0 && this.#used + next.bytes > this.#limit)) return;
      this.#waiting.shift();
      this.#used += next.bytes;
      next.enter();
    }
  }
}
