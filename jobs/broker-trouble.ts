import type { FullStore, Transport } from "../shared/transport/transport.ts";

export interface BrokerTroubleOptions {
  /** Told of each trouble once when it begins, and once when it has passed. */
  readonly onNotice: (notice: string) => void;
  /** Called with `now` whenever it changes. */
  readonly onChange?: ((now: string | null) => void) | undefined;
}

/**
 * What keeps a process from its broker, in sentences for people: not connected yet, away, or full.
 *
 *   waiting for ──connected──► well ◄──► away, full
 */
export class BrokerTrouble {
  readonly #options: BrokerTroubleOptions;
  #waitingFor: string | null = NOT_CONNECTED;
  #told = "";
  #isAway = false;
  #full: FullStore | null = null;

  constructor(options: BrokerTroubleOptions) {
    this.#options = options;
  }

  /** Null while nothing does. */
  get now(): string | null {
    return this.#waitingFor ?? (this.#isAway ? AWAY : this.#full === null ? null : sentencesOf(this.#full));
  }

  /** What a process that is not connected yet waits for; the same is told once. */
  waitsFor(what: string): void {
    this.#waitingFor = what;
    if (what !== this.#told) this.#options.onNotice(what);
    this.#told = what;
    this.#options.onChange?.(this.now);
  }

  /** Follows a transport that has just connected. Returns the way to stop. */
  follow(transport: Transport): () => void {
    this.#waitingFor = null;
    this.#options.onChange?.(null);
    const { onNotice } = this.#options;
    return transport.onHealth((health, full) => {
      if (health === "down") {
        this.#isAway = true;
        onNotice("The broker is gone; waiting for it.");
      } else if (health === "up") {
        this.#isAway = false;
        onNotice("The broker is back.");
      } else if (full !== null) {
        this.#full = full;
        onNotice(sentencesOf(full));
      } else if (health === "room") {
        this.#full = null;
        onNotice("The broker stores again what it is sent.");
      } else return;
      this.#options.onChange?.(this.now);
    });
  }
}

const NOT_CONNECTED = "There is no connection to the broker yet.";
const AWAY = "The broker cannot be reached.";

function sentencesOf({ message, place, mend }: FullStore): string {
  return `${message} (${place}) ${mend}`;
}
