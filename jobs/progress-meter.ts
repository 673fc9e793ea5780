/** Turns what the parts of a running job know into what is shown of it. */
import type { Coordinator } from "../coordinator/coordinator.ts";
import type { OwnedOutput } from "../coordinator/output/output-directory.ts";
import type { CallCounts, JobProgress } from "../shared/observe/job-report.ts";
import type { SlotUse } from "../worker/endpoints/slot-use.ts";
import type { Crew, CrewNumbers } from "./crew.ts";
import { Rates, rowsOf } from "./job-numbers.ts";

/** How long after the broker's trouble has passed workers may still be heard to wait for it. */
const LATE_MS = 3_000;

export class ProgressMeter {
  readonly #coordinator: Coordinator;
  readonly #crew: Crew;
  readonly #before: { readonly accepted: number; readonly failed: number };
  readonly #startedMs = performance.now();
  readonly #rates = new Rates();
  #state: JobProgress["state"] = "running";
  #noticed: string | null = null;
  #troubledMs = -Infinity;
  #slotUseFrom: SlotUse | null = null;
  #slotUseTo: SlotUse | null = null;

  constructor(parts: { readonly output: OwnedOutput; readonly coordinator: Coordinator; readonly crew: Crew }) {
    this.#coordinator = parts.coordinator;
    this.#crew = parts.crew;
    this.#before = rowsOf(parts.output.manifest);
  }

  becomes(state: JobProgress["state"]): void {
    this.#state = state;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** Rows that this run finished. */
  get rows(): number {
    const { accepted, failed } = this.#crew.numbers();
    return accepted + failed;
  }

  get calls(): CallCounts {
    return this.#crew.numbers().calls;
  }

  /** Mean share of the slots that were in use from the first request until the last row was started. */
  get slotUse(): number | null {
    const from = this.#slotUseFrom;
    const to = this.#slotUseTo ?? this.#crew.numbers().slotUse;
    if (from === null || to.capacityMs <= from.capacityMs) return null;
    return (to.inUseMs - from.inUseMs) / (to.capacityMs - from.capacityMs);
  }

  #markSlotUse({ calls, hasStartedAll, slotUse }: CrewNumbers): void {
    if (calls.requests > 0) this.#slotUseFrom ??= slotUse;
    if (this.#coordinator.hasDispatchedAll && hasStartedAll) this.#slotUseTo ??= slotUse;
  }

  progress(): JobProgress {
    const crew = this.#crew.numbers();
    const { calls } = crew;
    const waitingFor = crew.trouble ?? crew.waitingFor;
    this.#markSlotUse(crew);
    const unlanded = this.#coordinator.unlandedBefore;
    const done = crew.accepted + crew.failed;
    const rows = {
      accepted: this.#before.accepted + unlanded + crew.accepted,
      failed: this.#before.failed - (this.#coordinator.isRetry ? done : 0) + crew.failed,
      total: this.#coordinator.total,
    };
    const [rowsPerSecond = 0, inputTokensPerSecond = 0, outputTokensPerSecond = 0] = this.#rates.perSecond([
      done,
      calls.inputTokens,
      calls.outputTokens,
    ]);
    const estimatedTotal = rows.total === null ? this.#coordinator.estimatedTotal : null;
    const total = rows.total ?? estimatedTotal;
    const left = total === null ? null : Math.max(0, total - rows.accepted - rows.failed);
    return {
      state: this.#state === "running" && waitingFor !== null ? "waiting" : this.#state,
      waitingFor,
      rows,
      estimatedTotal,
      rowsBefore: this.#before.accepted + this.#before.failed + unlanded,
      rowsRunning: crew.rowsRunning,
      calls,
      endpoints: crew.endpoints,
      elapsedMs: this.elapsedMs,
      rowsPerSecond,
      inputTokensPerSecond,
      outputTokensPerSecond,
      etaMs: left === null || rowsPerSecond <= 0 ? null : (left / rowsPerSecond) * 1_000,
    };
  }

  /** Says once what the job has begun to wait for. */
  noticeWaiting(onNotice: ((notice: string) => void) | undefined): void {
    const { waitingFor, trouble } = this.#crew.numbers();
    if (trouble !== null) this.#troubledMs = performance.now();
    if (performance.now() - this.#troubledMs < LATE_MS) return;
    if ((waitingFor === null) === (this.#noticed === null)) return;
    this.#noticed = waitingFor;
    onNotice?.(waitingFor ?? "What was waited for is there; the job goes on.");
  }
}
