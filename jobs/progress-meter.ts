/** Turns what the parts of a running job know into what is shown of it. */
import type { Coordinator } from "../coordinator/coordinator.ts";
import type { OwnedOutput } from "../coordinator/output/output-directory.ts";
import type { JobProgress } from "../shared/observe/job-report.ts";
import type { SlotUse } from "../worker/endpoints/slot-use.ts";
import type { Worker } from "../worker/worker.ts";
import { Rates, rowsOf, sumCalls } from "./job-numbers.ts";
import type { PreparedJob } from "./prepare-job.ts";

export class ProgressMeter {
  readonly #job: PreparedJob;
  readonly #coordinator: Coordinator;
  readonly #worker: Worker;
  readonly #before: { readonly accepted: number; readonly failed: number };
  readonly #startedMs = performance.now();
  readonly #rates = new Rates();
  #state: JobProgress["state"] = "running";
  #noticed: string | null = null;
  #slotUseFrom: SlotUse | null = null;
  #slotUseTo: SlotUse | null = null;

  constructor(parts: {
    readonly job: PreparedJob;
    readonly output: OwnedOutput;
    readonly coordinator: Coordinator;
    readonly worker: Worker;
  }) {
    this.#job = parts.job;
    this.#coordinator = parts.coordinator;
    this.#worker = parts.worker;
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
    return this.#worker.accepted + this.#worker.failed;
  }

  /** Mean share of the slots that were in use from the first request until the last row was started. */
  get slotUse(): number | null {
    const from = this.#slotUseFrom;
    const to = this.#slotUseTo ?? this.#readSlotUse();
    if (from === null || to.capacityMs <= from.capacityMs) return null;
    return (to.inUseMs - from.inUseMs) / (to.capacityMs - from.capacityMs);
  }

  #readSlotUse(): SlotUse {
    const uses = this.#job.gateways.map((gateway) => gateway.slotUse());
    return {
      inUseMs: uses.reduce((sum, use) => sum + use.inUseMs, 0),
      capacityMs: uses.reduce((sum, use) => sum + use.capacityMs, 0),
    };
  }

  #markSlotUse(requests: number): void {
    if (requests > 0) this.#slotUseFrom ??= this.#readSlotUse();
    if (this.#coordinator.hasDispatchedAll && this.#worker.hasStartedAll) this.#slotUseTo ??= this.#readSlotUse();
  }

  progress(): JobProgress {
    const { gateways } = this.#job;
    const calls = sumCalls(gateways);
    this.#markSlotUse(calls.requests);
    const unlanded = this.#coordinator.unlandedBefore;
    const retried = this.#coordinator.isRetry ? this.rows : 0;
    const rows = {
      accepted: this.#before.accepted + unlanded + this.#worker.accepted,
      failed: this.#before.failed - retried + this.#worker.failed,
      total: this.#coordinator.total,
    };
    const [rowsPerSecond = 0, inputTokensPerSecond = 0, outputTokensPerSecond = 0] = this.#rates.perSecond([
      this.rows,
      calls.inputTokens,
      calls.outputTokens,
    ]);
    const waitingFor = this.#waitingFor();
    const estimatedTotal = rows.total === null ? this.#coordinator.estimatedTotal : null;
    const total = rows.total ?? estimatedTotal;
    const left = total === null ? null : Math.max(0, total - rows.accepted - rows.failed);
    return {
      state: this.#state === "running" && waitingFor !== null ? "waiting" : this.#state,
      waitingFor,
      rows,
      estimatedTotal,
      rowsBefore: this.#before.accepted + this.#before.failed + unlanded,
      rowsRunning: this.#worker.rowsRunning,
      calls,
      endpoints: gateways.flatMap((gateway) => gateway.endpoints()),
      elapsedMs: this.elapsedMs,
      rowsPerSecond,
      inputTokensPerSecond,
      outputTokensPerSecond,
      etaMs: left === null || rowsPerSecond <= 0 ? null : (left / rowsPerSecond) * 1_000,
    };
  }

  /** Says once what the job has begun to wait for. */
  noticeWaiting(onNotice: ((notice: string) => void) | undefined): void {
    const waitingFor = this.#waitingFor();
    if ((waitingFor === null) === (this.#noticed === null)) return;
    this.#noticed = waitingFor;
    onNotice?.(waitingFor ?? "An endpoint answers again; the job goes on.");
  }

  #waitingFor(): string | null {
    for (const gateway of this.#job.gateways) {
      const waitingFor = gateway.waitingFor();
      if (waitingFor !== null) return waitingFor;
    }
    return null;
  }
}
