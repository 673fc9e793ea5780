/** Asks endpoints what they serve, at the start and when one comes back; moves their circuits by the answer. */
import { setTimeout as sleep } from "node:timers/promises";
import { isTidingError, messageOf, TidingError } from "../../shared/errors.ts";
import type { LLM, ServedModel } from "../llms/llm.ts";
import { afterProbePassed, afterProbeStarted, CLOSED, opened } from "./circuit.ts";
import type { EndpointRouter } from "./endpoint-router.ts";
import type { SlotPool } from "./slot-pool.ts";

export interface EndpointProberOptions {
  readonly llm: LLM;
  readonly router: EndpointRouter;
  readonly now: () => number;
}

export class EndpointProber {
  readonly #options: EndpointProberOptions;
  readonly #served = new Map<string, ServedModel>();
  #isAtStart = false;

  constructor(options: EndpointProberOptions) {
    this.#options = options;
  }

  /** While `probeAll` runs, nobody else is to probe. */
  get isAtStart(): boolean {
    return this.#isAtStart;
  }

  /**
   * All endpoints at once; goes on with those that answer. While none does, tries again until the deadline.
   * Throws `NO_ENDPOINT`, `MODEL_NOT_FOUND`, what all endpoints refuse with, `usage` errors, and the signal's reason.
   */
  async probeAll(signal: AbortSignal, deadlineMs: number): Promise<readonly ServedModel[]> {
    const { router, now } = this.#options;
    this.#isAtStart = true;
    try {
      let due: readonly SlotPool[] = router.pools;
      for (;;) {
        await Promise.all(due.map((pool) => this.#probeAtStart(pool, signal)));
        if (this.#served.size > 0) break;
        const refusal = router.refusal();
        if (refusal !== null) throw refusal;
        const nowMs = now();
        if (nowMs >= deadlineMs) throw router.noEndpoint(nowMs);
        // A timer may fire a millisecond early by another clock.
        const waitMs = Math.min(deadlineMs, router.wakeAtMs(nowMs)) - nowMs + 1;
        await sleep(Math.max(0, waitMs), undefined, { signal }).catch(() => signal.throwIfAborted());
        due = router.pools.filter(({ circuit }) => circuit.kind === "open" && circuit.probeAtMs <= now());
      }
    } finally {
      this.#isAtStart = false;
    }
    assertOneModel(this.#served);
    return router.pools.flatMap((pool) => this.#withAdvice(pool));
  }

  /** For an endpoint whose circuit is open: lets requests in again if it answers and serves the same model. */
  async probeAgain(pool: SlotPool, signal: AbortSignal): Promise<void> {
    const { now } = this.#options;
    pool.circuit = afterProbeStarted(pool.circuit);
    try {
      const served = await this.#options.llm.probe(pool.endpoint, signal);
      this.#assertSameModel(pool.endpoint, served);
      this.#accept(pool, served);
      pool.circuit = afterProbePassed(pool.circuit, now());
    } catch (error) {
      pool.circuit = opened(pool.circuit, probeError(error), now());
    }
  }

  async #probeAtStart(pool: SlotPool, signal: AbortSignal): Promise<void> {
    pool.circuit = afterProbeStarted(pool.circuit);
    try {
      this.#accept(pool, await this.#options.llm.probe(pool.endpoint, signal));
      pool.circuit = CLOSED;
    } catch (thrown) {
      signal.throwIfAborted();
      const error = probeError(thrown);
      if (error.class === "usage") throw error;
      pool.circuit = opened(pool.circuit, error, this.#options.now());
    }
  }

  /** A server that comes back may have been started with another model since; rows must not mix. */
  #assertSameModel(endpoint: string, served: ServedModel): void {
    const expected = [...this.#served.values()].find(({ server }) => server !== "unknown");
    if (expected === undefined || served.server === "unknown" || served.model === expected.model) return;
    throw new TidingError(
      "MODEL_NOT_FOUND",
      `${endpoint} serves ${served.model} now; the job runs on ${expected.model}.`,
      {
        place: endpoint,
        mend: `Start the server with ${expected.model} again, or run the job anew into another output.`,
      },
    );
  }

  #accept(pool: SlotPool, served: ServedModel): void {
    this.#served.set(pool.endpoint, served);
    if (served.maxConcurrentRequests !== undefined) pool.cap(served.maxConcurrentRequests);
  }

  /** Adds what takes slots and the other endpoints to see. */
  #withAdvice(pool: SlotPool): readonly ServedModel[] {
    const served = this.#served.get(pool.endpoint);
    if (served === undefined) return [];
    const advice = [...(served.advice ?? [])];
    if (pool.slots < pool.wantedSlots) {
      advice.push(
        `${pool.endpoint} takes ${pool.slots} requests at a time; of ${pool.wantedSlots} slots no more are used.`,
      );
    }
    const { model, revision } = served;
    const other = [...this.#served.values()].find(
      (each) => revision !== null && each.revision !== null && each.revision !== revision,
    );
    if (other !== undefined)
      advice.push(`${pool.endpoint} serves ${model} at ${revision}, another endpoint at ${other.revision}.`);
    return [advice.length === 0 ? served : { ...served, advice }];
  }
}

/** Throws `MODEL_NOT_FOUND` when endpoints serve different models; servers that do not say are left out. */
function assertOneModel(served: ReadonlyMap<string, ServedModel>): void {
  const known = [...served].filter(([, { server }]) => server !== "unknown");
  const first = known[0]?.[1].model;
  if (known.every(([, { model }]) => model === first)) return;
  const list = known.map(([endpoint, { model }]) => `${endpoint} serves ${model}`).join(", ");
  throw new TidingError("MODEL_NOT_FOUND", `The endpoints of one llm serve different models: ${list}.`, {
    place: "base_url",
    mend: "Set model_id to the model that is wanted, or leave out the endpoints that do not serve it.",
  });
}

function probeError(thrown: unknown): TidingError {
  if (isTidingError(thrown)) return thrown;
  return new TidingError("LLM_FAILED", `The probe failed: ${messageOf(thrown)}`, { cause: thrown });
}
