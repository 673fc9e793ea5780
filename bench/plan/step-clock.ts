/**
 * A batching server in virtual time, by the same rules as the simulator's batch engine, as far as they decide how long a
 * job takes; but it jumps from one change of the batch to the next in place of counting tokens, so that a call costs the
 * logarithm of the batch and a plan can try hundreds of futures.
 *
 *   phase = one step that reads prompts, at whose end their first tokens are there
 *         | as many steps without prompts as pass until the shortest sequence ends, or a request comes
 *
 * Left out: prompts are not cut into chunks, no prefix is shared, nothing is evicted, and a generation of more than 1,024
 * tokens is not queued again.
 */
import { BinaryHeap } from "./binary-heap.ts";
import type { EndpointModel, ModelCall } from "./endpoint-model.ts";

interface Phase {
  readonly startMs: number;
  readonly stepMs: number;
  steps: number;
  /** Their prompts are read in it. */
  readonly admitted: readonly ModelCall[];
}

export class StepClock<Call extends ModelCall> {
  readonly #model: EndpointModel;
  /** By the number of the step at whose end they are done. */
  readonly #running = new BinaryHeap<Call>();
  readonly #waiting: Call[] = [];
  #nextWaiting = 0;
  #reserved = 0;
  #step = 0;
  #sinceAdmission = Infinity;
  /** The end of the last step, or when the first request came after none were left. */
  #atMs = 0;
  #phase: Phase | null = null;

  constructor(model: EndpointModel) {
    this.#model = model;
  }

  /** Requests that are in the batch or wait for it. */
  get size(): number {
    return this.#running.size + (this.#phase?.admitted.length ?? 0) + this.#waiting.length - this.#nextWaiting;
  }

  /** A request reaches the server; times never go back. */
  submit(call: Call, nowMs: number): void {
    this.#waiting.push(call);
    const phase = this.#phase;
    if (phase === null) {
      if (this.size === 1) this.#atMs = Math.max(this.#atMs, nowMs);
      return;
    }
    // It is looked at when the step that runs now has ended.
    const passed = Math.max(1, Math.ceil((nowMs - phase.startMs) / phase.stepMs - 1e-9));
    const earliest = passed + Math.max(0, this.#stepsOwed() - passed);
    phase.steps = Math.min(phase.steps, earliest);
  }

  /** When `advance` has something to say; infinite when there is nothing to do. */
  nextMs(): number {
    this.#phase ??= this.#nextPhase();
    return this.#phase === null ? Infinity : this.#phase.startMs + this.#phase.steps * this.#phase.stepMs;
  }

  /** Goes on to `nextMs` and gives the requests whose last token is there then. */
  advance(): readonly Call[] {
    this.#atMs = this.nextMs();
    const phase = this.#phase;
    if (phase === null) return [];
    this.#phase = null;
    this.#step += phase.steps;
    const joined = phase.admitted.length > 0 && this.#running.size > 0;
    this.#sinceAdmission = joined ? 0 : this.#sinceAdmission + phase.steps;
    for (const call of phase.admitted) this.#running.add(this.#step + call.outputTokens - 1, call as Call);
    const ended: Call[] = [];
    while (this.#running.least <= this.#step) {
      const call = this.#running.take()!;
      this.#reserved -= call.reservedTokens;
      ended.push(call);
    }
    return ended;
  }

  /** Steps that have to pass in this phase before requests may be let in. */
  #stepsOwed(): number {
    return this.#model.stepsBetweenAdmissions - this.#sinceAdmission;
  }

  #nextPhase(): Phase | null {
    const mayAdmit = this.#running.size === 0 || this.#stepsOwed() <= 0;
    const admitted = mayAdmit ? this.#admit() : [];
    const batch = this.#running.size + admitted.length;
    if (batch === 0) return null;
    const startMs = this.#atMs;
    const prefillTokens = admitted.reduce((sum, call) => sum + call.promptTokens, 0);
    const stepMs =
      Math.max(1e-6, this.#model.stepMs(batch, admitted.length > 0)) + prefillTokens * this.#model.prefillMsPerToken;
    if (admitted.length > 0) return { startMs, stepMs, steps: 1, admitted };
    const untilOneEnds = this.#running.least - this.#step;
    const untilAdmission = this.#nextWaiting < this.#waiting.length && !mayAdmit ? this.#stepsOwed() : Infinity;
    return { startMs, stepMs, steps: Math.max(1, Math.min(untilOneEnds, untilAdmission)), admitted };
  }

  /** In the order they came; the first that does not fit holds up those behind it. */
  #admit(): Call[] {
    const admitted: Call[] = [];
    let tokens = 0;
    for (let call = this.#waiting[this.#nextWaiting]; call !== undefined; call = this.#waiting[this.#nextWaiting]) {
      const isAlone = this.#running.size + admitted.length === 0;
      if (!isAlone && this.#reserved + call.reservedTokens > this.#model.kvTokens) break;
      if (admitted.length > 0 && tokens + call.promptTokens > this.#model.prefillBudget) break;
      tokens += call.promptTokens;
      this.#reserved += call.reservedTokens;
      admitted.push(call);
      this.#nextWaiting++;
    }
    // Taking from the front of a long array copies it: only now and then.
    if (this.#nextWaiting > 1_024 && this.#nextWaiting * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#nextWaiting);
      this.#nextWaiting = 0;
    }
    return admitted;
  }
}
