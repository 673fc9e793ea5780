/** What the traces of a fleet say of a worker's death: pure, fed in the order of time. */
import { InFlightMeter, RAMPED_SHARE, type InFlightFigures } from "./in-flight.ts";
import type { TraceEvent } from "./request-trace.ts";

export interface FleetEvent {
  /** Index of the worker. */
  readonly worker: number;
  readonly event: TraceEvent;
}

export interface RecoveryFigures {
  readonly inFlightBefore: number;
  readonly inFlightLowest: number;
  /** From the kill; null where in flight never came back. */
  readonly recoveryMs: number | null;
  readonly cut: number;
  readonly sentAgain: number;
  /** From the kill; null where nothing was sent again. */
  readonly sentAgainMs: number | null;
  readonly figures: InFlightFigures;
}

export interface RecoveryOptions {
  readonly slots: number;
  readonly beganMs: number;
  readonly killed: { readonly worker: number; readonly atMs: number };
}

/**
 * A killed process writes no more, and its kernel closes its connections at once: whatever it had in flight ends with it.
 * "Before" is the mean from the moment when the fleet had ramped up until the kill.
 */
export class RecoveryTally {
  readonly #options: RecoveryOptions;
  readonly #meter: InFlightMeter;
  /** Of the worker that is to die: what each of its requests asked, by its number. */
  readonly #open = new Map<number, string>();
  /** What it has paid for, as far as anyone knows: answered or cut. */
  readonly #paid = new Set<string>();
  #isKilled = false;
  #atMs: number;
  #rampedMs: number | null = null;
  #busyMs = 0;
  #before = 0;
  #lowest = 0;
  #recoveredMs: number | null = null;
  #cut = 0;
  #sentAgain = 0;
  #sentAgainMs: number | null = null;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#meter = new InFlightMeter(options);
    this.#atMs = options.beganMs;
  }

  add({ worker, event }: FleetEvent): void {
    const { killed } = this.#options;
    if (event.atMs > killed.atMs) this.#kill();
    if (this.#isKilled && worker === killed.worker) return;
    this.#advance(event.atMs);
    if (event.kind === "began") this.#began(worker, event);
    else this.#ended(worker, event);
    this.#look(event.atMs);
  }

  finish(endedMs: number): RecoveryFigures {
    this.#kill();
    const { atMs } = this.#options.killed;
    const sinceKill = (ms: number | null): number | null => (ms === null ? null : ms - atMs);
    return {
      inFlightBefore: this.#before,
      inFlightLowest: this.#lowest,
      recoveryMs: sinceKill(this.#recoveredMs),
      cut: this.#cut,
      sentAgain: this.#sentAgain,
      sentAgainMs: sinceKill(this.#sentAgainMs),
      figures: this.#meter.finish(endedMs),
    };
  }

  #began(worker: number, event: Extract<TraceEvent, { kind: "began" }>): void {
    const asked = `${event.key} ${event.seed}`;
    this.#meter.started(event.atMs, true);
    if (worker === this.#options.killed.worker) this.#open.set(event.number, asked);
    else if (this.#isKilled && this.#paid.has(asked)) {
      this.#sentAgain++;
      this.#sentAgainMs = event.atMs;
    }
  }

  #ended(worker: number, event: Extract<TraceEvent, { kind: "ended" }>): void {
    const isAnswered = event.status === 200;
    this.#meter.ended(event.atMs, isAnswered);
    if (worker !== this.#options.killed.worker) return;
    const asked = this.#open.get(event.number);
    this.#open.delete(event.number);
    if (isAnswered && asked !== undefined) this.#paid.add(asked);
  }

  #kill(): void {
    if (this.#isKilled) return;
    const { atMs } = this.#options.killed;
    this.#advance(atMs);
    this.#isKilled = true;
    this.#before = this.#rampedMs === null || atMs <= this.#rampedMs ? 0 : this.#busyMs / (atMs - this.#rampedMs);
    this.#cut = this.#open.size;
    for (const asked of this.#open.values()) {
      this.#paid.add(asked);
      this.#meter.ended(atMs, false);
    }
    this.#open.clear();
    this.#lowest = this.#meter.inFlight;
    this.#look(atMs);
  }

  #advance(toMs: number): void {
    if (this.#rampedMs !== null) this.#busyMs += this.#meter.inFlight * Math.max(0, toMs - this.#atMs);
    this.#atMs = Math.max(toMs, this.#atMs);
  }

  #look(atMs: number): void {
    const { inFlight } = this.#meter;
    if (inFlight >= RAMPED_SHARE * this.#options.slots) this.#rampedMs ??= atMs;
    if (!this.#isKilled || this.#recoveredMs !== null || this.#before === 0) return;
    this.#lowest = Math.min(this.#lowest, inFlight);
    if (inFlight >= RAMPED_SHARE * this.#before) this.#recoveredMs = atMs;
  }
}

/** Merges traces, each in the order of time, into one; `worker` is the index of a trace. */
export async function* inOrder(traces: readonly AsyncGenerator<TraceEvent>[]): AsyncGenerator<FleetEvent> {
  const heads = await Promise.all(traces.map((trace) => trace.next()));
  for (;;) {
    let worker = -1;
    let earliest = Infinity;
    for (const [index, head] of heads.entries()) {
      if (head.done === true || head.value.atMs >= earliest) continue;
      worker = index;
      earliest = head.value.atMs;
    }
    const head = heads[worker];
    if (head === undefined || head.done === true) return;
    yield { worker, event: head.value };
    heads[worker] = await traces[worker]!.next();
  }
}
