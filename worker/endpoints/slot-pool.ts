/** One endpoint's slots: how many are in use, how many may be, and whether the endpoint may be called at all. */
import type { TidingError } from "../../shared/errors.ts";
import type { EndpointProgress } from "../../shared/observe/job-report.ts";
import { afterAnswer, afterCall, afterFailure, afterNothingSent, CLOSED, mayCall } from "./circuit.ts";
import type { Circuit } from "./circuit.ts";
import { cappedLimit, fullLimit, limitAfterAnswer, limitAfterBackPressure } from "./slot-limit.ts";
import type { SlotLimit } from "./slot-limit.ts";

export class SlotPool {
  readonly endpoint: string;
  /** Slots that were asked for, which the server may not have. */
  readonly wantedSlots: number;
  circuit: Circuit = CLOSED;
  #inUse = 0;
  #limit: SlotLimit;
  #restsUntilMs = 0;
  #restSetAtMs = Number.NEGATIVE_INFINITY;
  #saturations = 0;
  #saturatedBy: { readonly error: TidingError; readonly sinceMs: number } | null = null;

  constructor(endpoint: string, slots: number) {
    this.endpoint = endpoint;
    this.wantedSlots = slots;
    this.#limit = fullLimit(slots);
  }

  get inUse(): number {
    return this.#inUse;
  }
  /** Slots of the endpoint, whether back-pressure has cut them for now or not. */
  get slots(): number {
    return this.#limit.slots;
  }
  /** Slots that may be used now. */
  get limit(): number {
    return Math.floor(this.#limit.current);
  }
  /** Bursts of back-pressure since the last answer. */
  get saturations(): number {
    return this.#saturations;
  }

  mayTake(nowMs: number): boolean {
    return this.#inUse < this.limit && nowMs >= this.#restsUntilMs && mayCall(this.circuit, nowMs);
  }

  /** Only after `mayTake`. */
  take(nowMs: number): void {
    this.#inUse++;
    this.circuit = afterCall(this.circuit, nowMs);
  }

  release(): void {
    this.#inUse--;
  }

  cap(slots: number): void {
    this.#limit = cappedLimit(this.#limit, slots);
  }

  answered(sentAtMs: number): void {
    this.circuit = afterAnswer(this.circuit, sentAtMs);
    this.#limit = limitAfterAnswer(this.#limit);
    this.#saturations = 0;
    this.#saturatedBy = null;
  }

  /** A call whose slot was taken at `takenAtMs` never became a request: nothing was learned here. */
  nothingSent(takenAtMs: number, nowMs: number): void {
    this.circuit = afterNothingSent(this.circuit, { takenAtMs, nowMs });
  }

  failed(error: TidingError, call: number, nowMs: number): void {
    this.circuit = afterFailure(this.circuit, { error, call, nowMs });
  }

  /** Counts a refusal; before the slot is released. Those of one burst count once. */
  saturated(error: TidingError, sentAtMs: number, nowMs: number): void {
    this.#limit = limitAfterBackPressure(this.#limit, { inUse: this.#inUse, sentAtMs, nowMs });
    this.#saturatedBy = { error, sinceMs: this.#saturatedBy?.sinceMs ?? nowMs };
    if (sentAtMs <= this.#restSetAtMs) return;
    this.#saturations++;
    this.#restSetAtMs = nowMs;
  }

  rest(untilMs: number): void {
    this.#restsUntilMs = Math.max(this.#restsUntilMs, untilMs);
  }

  /** Since when and why nothing can be had here; null while answers may come. */
  downFor(): { readonly error: TidingError; readonly sinceMs: number } | null {
    const { circuit } = this;
    if (circuit.kind === "closed") return this.#inUse === 0 ? this.#saturatedBy : null;
    return circuit.kind === "half-open" && this.#inUse > 0 ? null : circuit;
  }

  /** When something may change here by time alone; infinite when nothing will. */
  wakeAtMs(nowMs: number): number {
    const { circuit } = this;
    if (circuit.kind === "open") return circuit.probeAtMs;
    if (this.#inUse >= this.limit) return Number.POSITIVE_INFINITY;
    const trialAtMs = circuit.kind === "half-open" ? circuit.trialAtMs : 0;
    const atMs = Math.max(trialAtMs, this.#restsUntilMs);
    return atMs > nowMs ? atMs : Number.POSITIVE_INFINITY;
  }

  progress(): EndpointProgress {
    const { circuit } = this;
    const reason = circuit.kind === "closed" ? null : circuit.error.message;
    return { endpoint: this.endpoint, slots: this.limit, inUse: this.#inUse, circuit: circuit.kind, reason };
  }
}
