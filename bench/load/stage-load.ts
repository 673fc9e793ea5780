/** One stage of a benchmark: how requests arrive, how long, and what of it is measured. */

/** Rates in requests a second. Open-loop arrivals are an absolute schedule: a late request never moves the next one. */
export type Arrivals =
  /** Closed loop: so many requests in flight, the next sent when one ends. */
  | { readonly kind: "closed"; readonly concurrency: number }
  | { readonly kind: "constant"; readonly rate: number }
  | { readonly kind: "poisson"; readonly rate: number }
  /** Every request due at the start. */
  | { readonly kind: "at-once" };

export interface StageLoad {
  /** As a person reads it in tables: `concurrency 64`, `4 req/s`. Unique in a run. */
  readonly name: string;
  readonly arrivals: Arrivals;
  /**
   * Sends for so many seconds, warm-up and cool-down included; null where `requests` alone ends it. With both, whichever
   * comes first.
   */
  readonly seconds: number | null;
  /** Sends so many requests; null where `seconds` alone ends it. */
  readonly requests: number | null;
  /** The first seconds, sent and not measured. Only with `seconds`. */
  readonly warmUpSeconds: number;
  /** The last seconds, sent so that the measured requests end under load, and not measured. Only with `seconds`. */
  readonly coolDownSeconds: number;
  /** Over so many seconds from the start the rate, or the concurrency, rises linearly to its value. Part of the warm-up. */
  readonly rampSeconds: number;
  /**
   * Open loop: requests in flight beyond which a due request waits to be sent. Its wait counts in every response time and
   * in the client's lag; it is never left out.
   */
  readonly maxInFlight: number;
  /** After the last was sent, requests in flight are awaited so long, then cut and recorded as incomplete. */
  readonly graceSeconds: number;
  /** Seeds Poisson arrivals. */
  readonly seed: number;
}

/** Milliseconds since the stage's start: what was due from `startMs` on and before `endMs` is measured. */
export interface MeasuredWindow {
  readonly startMs: number;
  /** Infinity while a stage that is ended by its number of requests runs. */
  readonly endMs: number;
}
