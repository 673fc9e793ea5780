/** Runs the changes of one key one after the other; different keys do not wait for each other. */
export class KeyLocks {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(key: string, change: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(change);
    const settled = turn.catch(() => {}); // The failure belongs to the caller; whoever is next only needs to know that it is over.
    this.#last.set(key, settled);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    }
  }

  /** What to wait for while a change of a key with this prefix is running, or null when none is. */
  running(prefix: string): Promise<unknown> | null {
    for (const [key, settled] of this.#last) {
      if (key.startsWith(prefix)) return settled;
    }
    return null;
  }
}
