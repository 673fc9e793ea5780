/**
 * A record in the state store that this process keeps. What was set last gets there, whatever the broker does meanwhile;
 * what was set before may be passed over.
 */
import { setTimeout as delay } from "node:timers/promises";
import { isPassing, TransportError, type StateStore } from "../shared/transport/transport.ts";

const AGAIN_MS = 250;

export interface OwnRecordOptions {
  readonly state: StateStore;
  readonly key: string;
  /** Whether what is there may be replaced; once it may not, nothing is written any more. */
  readonly mayReplace?: (present: Uint8Array) => boolean;
  /** Gives up what could not be written yet. */
  readonly givesUp: AbortSignal;
  /** Told of what trying again does not mend. */
  readonly onFault: (error: unknown) => void;
}

export class OwnRecord {
  readonly #options: OwnRecordOptions;
  #next: Uint8Array | null = null;
  /** Undefined when it must be looked up. */
  #version: number | null | undefined;
  #writing: Promise<void> | null = null;
  #isOver = false;

  constructor(options: OwnRecordOptions) {
    this.#options = options;
  }

  set(value: Uint8Array): void {
    this.#next = value;
    this.#writing ??= this.#write();
  }

  /** Resolves when what was set is stored, or was given up. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { givesUp } = this.#options;
    while (this.#next !== null && !this.#isOver && !givesUp.aborted) {
      const value = this.#next;
      this.#next = null;
      try {
        await this.#store(value);
      } catch (error) {
        this.#version = undefined;
        this.#next ??= value;
        const fault = error instanceof TransportError ? error.fault : null;
        if (fault === "conflict") continue;
        if (isPassing(error)) await delay(AGAIN_MS, undefined, { signal: givesUp }).catch(() => undefined);
        else {
          this.#isOver = true;
          if (fault !== "closed") this.#options.onFault(error);
        }
      }
    }
    this.#writing = null;
  }

  async #store(value: Uint8Array): Promise<void> {
    const { state, key, mayReplace } = this.#options;
    if (this.#version === undefined) {
      const present = await state.get(key);
      if (present !== null && mayReplace?.(present.value) === false) {
        this.#isOver = true;
        return;
      }
      this.#version = present?.version ?? null;
    }
    this.#version = await state.swap(key, value, this.#version);
  }
}
