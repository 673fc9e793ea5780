/**
 * Requests in flight over a run, step by step, and what they say of it.
 *
 *   began        first request     95 % in flight              nothing left to start          last answer      ended
 *     |-- prepare --|---- fill ----|--------- steady ---------|…first idle slot -- drain --|---- finish ----|
 *     |----------- ramp -----------|                                               |----------- tail -----------|
 *
 * Pure: times come in, in their order, from one clock, in milliseconds. What it keeps grows with the time that a run takes
 * and not with its requests.
 */

/** Of the slots: from this share on they count as in use. */
export const RAMPED_SHARE = 0.95;
const BIN_MS = 50;
const MOST_POINTS = 240;

export interface InFlightFigures {
  /** From begin to end. */
  readonly wallMs: number;
  /** Until the first request; null where there was none, as all that follows from it. */
  readonly prepareMs: number | null;
  /** From the begin until 95 % of the slots were in flight; null where they never were. */
  readonly rampMs: number | null;
  /** From the first idle slot with nothing left to start until the last answer. */
  readonly drainMs: number | null;
  /** From the last answer to the end: what is left to commit, encode and land. */
  readonly finishMs: number | null;
  /** (drain + finish) / wall. */
  readonly tailFraction: number | null;
  readonly peak: number;
  /** Mean in flight over the whole wall. */
  readonly meanInFlight: number;
  /** Mean in flight / slots, over the whole wall. */
  readonly utilisation: number;
  /** The same from the first request to the first idle slot with nothing left to start: what dispatching answers for. */
  readonly dispatchUtilisation: number | null;
  readonly requests: number;
  readonly answers: number;
  /** Answers a second after the ramp and before the drain; null where nothing lies between. */
  readonly steadyAnswersPerSecond: number | null;
  /** Mean in flight over each `stepMs` from the begin on, at most 240 points. */
  readonly timeline: { readonly stepMs: number; readonly inFlight: readonly number[] };
}

/** What was summed up to a moment. */
interface Mark {
  readonly atMs: number;
  readonly busyMs: number;
  readonly answers: number;
}

export class InFlightMeter {
  readonly #slots: number;
  readonly #beganMs: number;
  readonly #bins: number[] = [];
  #atMs: number;
  #inFlight = 0;
  #busyMs = 0;
  #requests = 0;
  #answers = 0;
  #peak = 0;
  #first: Mark | null = null;
  #ramped: Mark | null = null;
  /** First idle slot since the last new request; null while there is none. */
  #idle: Mark | null = null;
  #lastEndMs: number | null = null;

  /** @param options.slots in flight at most, over all endpoints, as configured */
  constructor(options: { readonly slots: number; readonly beganMs: number }) {
    this.#slots = options.slots;
    this.#beganMs = options.beganMs;
    this.#atMs = options.beganMs;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** @param isNew false for what was sent before: while only such requests begin, there is nothing left to start */
  started(atMs: number, isNew: boolean): void {
    this.#advance(atMs);
    this.#inFlight++;
    this.#requests++;
    this.#peak = Math.max(this.#peak, this.#inFlight);
    this.#first ??= this.#mark();
    if (this.#inFlight >= RAMPED_SHARE * this.#slots) this.#ramped ??= this.#mark();
    if (isNew) this.#idle = null;
    this.#lookForIdle();
  }

  ended(atMs: number, isAnswered: boolean): void {
    this.#advance(atMs);
    this.#inFlight--;
    if (isAnswered) this.#answers++;
    this.#lastEndMs = this.#atMs;
    this.#lookForIdle();
  }

  finish(endedMs: number): InFlightFigures {
    this.#advance(endedMs);
    const wallMs = this.#atMs - this.#beganMs;
    const [first, ramped] = [this.#first, this.#ramped];
    const idle = this.#idle ?? this.#mark();
    const lastEndMs = this.#lastEndMs ?? this.#atMs;
    const dispatchMs = first === null ? 0 : idle.atMs - first.atMs;
    const steadyMs = ramped === null ? 0 : idle.atMs - ramped.atMs;
    const share = (busyMs: number, ms: number): number => (ms > 0 ? busyMs / ms / this.#slots : 0);
    const unlessNone = (ms: number): number | null => (first === null ? null : ms);
    return {
      wallMs,
      prepareMs: unlessNone((first?.atMs ?? 0) - this.#beganMs),
      rampMs: ramped === null ? null : ramped.atMs - this.#beganMs,
      drainMs: unlessNone(Math.max(0, lastEndMs - idle.atMs)),
      finishMs: unlessNone(this.#atMs - lastEndMs),
      tailFraction: unlessNone(wallMs > 0 ? (this.#atMs - idle.atMs) / wallMs : 0),
      peak: this.#peak,
      meanInFlight: wallMs > 0 ? this.#busyMs / wallMs : 0,
      utilisation: share(this.#busyMs, wallMs),
      dispatchUtilisation: dispatchMs > 0 ? share(idle.busyMs - (first?.busyMs ?? 0), dispatchMs) : null,
      requests: this.#requests,
      answers: this.#answers,
      steadyAnswersPerSecond: steadyMs > 0 ? ((idle.answers - (ramped?.answers ?? 0)) * 1_000) / steadyMs : null,
      timeline: this.#timeline(wallMs),
    };
  }

  #lookForIdle(): void {
    if (this.#inFlight < this.#slots) this.#idle ??= this.#mark();
  }

  #mark(): Mark {
    return { atMs: this.#atMs, busyMs: this.#busyMs, answers: this.#answers };
  }

  /** A time before the last one counts as the last: processes' stamps may be written a little out of order. */
  #advance(atMs: number): void {
    const toMs = Math.max(atMs, this.#atMs);
    const ms = toMs - this.#atMs;
    if (this.#inFlight > 0) {
      this.#busyMs += this.#inFlight * ms;
      this.#fillBins(this.#atMs - this.#beganMs, toMs - this.#beganMs);
    }
    this.#atMs = toMs;
  }

  #fillBins(fromMs: number, toMs: number): void {
    for (let ms = fromMs; ms < toMs;) {
      const bin = Math.floor(ms / BIN_MS);
      const untilMs = Math.min(toMs, (bin + 1) * BIN_MS);
      // A step that rounding would keep on the edge of its bin for ever.
      const nextMs = untilMs > ms ? untilMs : toMs;
      while (this.#bins.length <= bin) this.#bins.push(0);
      this.#bins[bin]! += this.#inFlight * (nextMs - ms);
      ms = nextMs;
    }
  }

  #timeline(wallMs: number): InFlightFigures["timeline"] {
    const bins = Math.max(1, Math.ceil(wallMs / BIN_MS));
    const perPoint = Math.ceil(bins / MOST_POINTS);
    const stepMs = perPoint * BIN_MS;
    const inFlight = Array.from({ length: Math.ceil(bins / perPoint) }, (_, point) => {
      const busyMs = this.#bins.slice(point * perPoint, (point + 1) * perPoint).reduce((sum, ms) => sum + ms, 0);
      const lengthMs = Math.min(stepMs, wallMs - point * stepMs);
      return lengthMs > 0 ? busyMs / lengthMs : 0;
    });
    return { stepMs, inFlight };
  }
}
