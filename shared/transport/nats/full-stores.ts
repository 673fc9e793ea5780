import { messageOf } from "../../errors.ts";
import { TransportError, type FullStore } from "../transport.ts";
import { API_CODE, apiCode } from "./nats-errors.ts";

/** A stream at its budget is how back-pressure works: only one that stays so is worth a word. */
const FULL_FOR_MS = 3_000;
/** Longer than a connection that carries nothing is taken for one that stands. */
const SILENT_FOR_MS = 40_000;
/** After so long without a further try a refusal says nothing any more. */
const FORGOTTEN_AFTER_MS = 60_000;

interface Refusal {
  readonly store: FullStore;
  readonly isSilence: boolean;
  readonly sinceMs: number;
  readonly lastMs: number;
  /** What was told of the stream: where it is refused for another reason now, that stands until this one has lasted too. */
  readonly toldPlace: string | null;
}

export interface FullStoresOptions {
  /** The broker's addresses, without secrets. */
  readonly place: string;
  /** By stream: who makes room in one that has a budget. */
  readonly mends: ReadonlyMap<string, string>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /**
   * Called whenever `now` changes: with each place that takes nothing more, once; where it has room again and another has
   * not, with that one; with null when all take again what is written to them.
   */
  readonly tell: (full: FullStore | null) => void;
}

/**
 * Which streams take nothing of what is written to them. A server, an account and a stream that are full say so; a server
 * whose disk is full does not answer at all (seen on 2.9.10 and 2.15.1), so that silence on a connection that stands is
 * told as well.
 */
export class FullStores {
  readonly #options: FullStoresOptions;
  readonly #refusals = new Map<string, Refusal>();
  /** By place, in the order in which they were told. */
  readonly #told = new Map<string, FullStore>();
  #tellsOf: FullStore | null = null;

  constructor(options: FullStoresOptions) {
    this.#options = options;
  }

  /** What was told last of what has not passed. */
  get now(): FullStore | null {
    const refusals = this.#standing();
    return [...this.#told].findLast(([place]) => isNamed(place, refusals))?.[1] ?? null;
  }

  accepted(stream: string): void {
    if (this.#refusals.size === 0) return;
    this.#refusals.delete(stream);
    this.#tellChange();
  }

  /** Gives the error, with what is full where something is. */
  refused(stream: string, error: unknown): unknown {
    if (!(error instanceof TransportError)) return error;
    const isSilence = isUnanswered(error);
    if (error.fault !== "full" && !isSilence) return error;
    const store = isSilence ? this.#silent(stream, error) : this.#full(stream, error);
    const lastMs = this.#options.now();
    const known = this.#refusals.get(stream);
    const sinceMs = known?.isSilence === isSilence ? known.sinceMs : lastMs;
    const hasLasted = lastMs - sinceMs >= (isSilence ? SILENT_FOR_MS : FULL_FOR_MS);
    const toldPlace = hasLasted ? store.place : (known?.toldPlace ?? null);
    this.#refusals.set(stream, { store, isSilence, sinceMs, lastMs, toldPlace });
    if (hasLasted && !this.#told.has(store.place)) this.#told.set(store.place, store);
    this.#tellChange();
    return isSilence ? error : new TransportError("full", error.message, { full: store, cause: error.cause });
  }

  #standing(): readonly Refusal[] {
    const forgotten = this.#options.now() - FORGOTTEN_AFTER_MS;
    return [...this.#refusals.values()].filter(({ lastMs }) => lastMs >= forgotten);
  }

  #tellChange(): void {
    const refusals = this.#standing();
    for (const [stream, refusal] of this.#refusals) if (!refusals.includes(refusal)) this.#refusals.delete(stream);
    for (const place of this.#told.keys()) if (!isNamed(place, refusals)) this.#told.delete(place);
    const { now } = this;
    if (now === this.#tellsOf) return;
    this.#tellsOf = now;
    this.#options.tell(now);
  }

  #full(stream: string, error: TransportError): FullStore {
    const { place, mends } = this.#options;
    const said = messageOf(error.cause);
    switch (apiCode(error.cause)) {
      case API_CODE.accountResourcesExceeded:
        return {
          message: `The broker stores nothing more for this account: ${said}.`,
          place: `${place}, the account's limits`,
          mend: "Raise max_file of the account's jetstream block, or remove what else it stores; what waits goes on then.",
        };
      case API_CODE.storeFailed:
        return {
          message: `The stream ${stream} takes nothing more: ${said}.`,
          place: `${place}, stream ${stream}`,
          mend: mends.get(stream) ?? "Raise the limits that were set for the stream; what waits goes on then.",
        };
      default:
        return {
          message: `The broker's store is full: ${said}.`,
          place: `${place}, the server's store`,
          mend: "Raise max_file_store of the server's jetstream block and restart it, or remove what else it stores; what waits goes on then.",
        };
    }
  }

  #silent(stream: string, { message }: TransportError): FullStore {
    return {
      message: `The broker is there and does not say that it stored what is written to ${stream}: ${message}.`,
      place: `${this.#options.place}, stream ${stream}`,
      mend: "See the server's log: with a full disk it must be restarted once there is space. A stream that was deleted is made again by a coordinator that starts.",
    };
  }
}

function isNamed(place: string, refusals: readonly Refusal[]): boolean {
  return refusals.some(({ store, toldPlace }) => store.place === place || toldPlace === place);
}

/** Neither a connection that broke nor an answer that says no. */
function isUnanswered({ fault, cause }: TransportError): boolean {
  return (fault === "unknown" || fault === "unreachable") && cause !== undefined && apiCode(cause) === null;
}
