/**
 * How many rows a worker may have begun that hold no slot yet: so many that no slot waits for one, and no more, since
 * what one worker has begun no other can take.
 *
 *   begun ──on its way──> asks ──waits──> holds a slot
 *
 * A row is on its way while its task renders a prompt, fetches an image, or runs steps without an LLM. By Little's law
 * slots stay in use when as many calls are on their way for each slot as that takes of the time of an answer.
 */
import type { LLMGateway } from "./endpoints/llm-gateway.ts";

/** Of the slots, so many calls wait besides those that run. */
const WAITING_SHARE = 1 / 8;
const FEWEST_WAITING = 4;
const MOST_WAITING = 64;
/** Where rows are longer on their way than that many answers take, the endpoint is not the bottleneck. */
const MOST_AHEAD_PER_SLOT = 4;
/** What comes quicker is as good as at once, and nothing may be divided by it. */
const LEAST_ANSWER_MS = 1;
/** Weight of the latest row in how long rows are on their way. */
const LATEST = 1 / 32;

type GateSlots = Pick<LLMGateway, "waiting" | "inUse" | "capacity" | "answerMs">;

export class StartGate {
  readonly #slots: GateSlots;
  readonly #callsPerRow: number;
  readonly #now: () => number;
  #onWay = 0;
  #onWayMs: number | null = null;

  /**
   * @param callsPerRow which a row makes at once.
   * @param now monotonic milliseconds.
   */
  constructor(slots: GateSlots, callsPerRow: number, now: () => number = () => performance.now()) {
    this.#slots = slots;
    this.#callsPerRow = callsPerRow;
    this.#now = now;
  }

  mayStart(): boolean {
    const { waiting, inUse, capacity } = this.#slots;
    const free = waiting > 0 ? 0 : Math.max(0, capacity - inUse);
    const spare = Math.min(MOST_WAITING, Math.max(FEWEST_WAITING, capacity * WAITING_SHARE));
    return waiting + this.#onWay * this.#callsPerRow < free + spare + this.#ahead;
  }

  /** A row begins; what is returned is called when it is about to make a call, and when it ends. */
  start(): () => void {
    const startedAt = this.#now();
    let isOnWay = true;
    this.#onWay += 1;
    return () => {
      if (!isOnWay) return;
      isOnWay = false;
      this.#onWay -= 1;
      const tookMs = this.#now() - startedAt;
      this.#onWayMs = this.#onWayMs === null ? tookMs : this.#onWayMs + (tookMs - this.#onWayMs) * LATEST;
    };
  }

  /** Calls on their way that will find a slot which runs another now. */
  get #ahead(): number {
    const { answerMs, capacity } = this.#slots;
    if (answerMs === null || this.#onWayMs === null) return 0;
    return capacity * Math.min(MOST_AHEAD_PER_SLOT, this.#onWayMs / Math.max(LEAST_ANSWER_MS, answerMs));
  }
}
