/**
 * A job in virtual time: its rows as the worker starts them, its calls as the gateways send them, its servers as step
 * clocks. Only what decides how long it takes is there; nothing fails and nothing is tried again.
 */
import { BinaryHeap } from "./binary-heap.ts";
import type { ModelCall } from "./endpoint-model.ts";
import { slotsOf, type JobShape, type RowShape } from "./job-shape.ts";
import { StepClock } from "./step-clock.ts";

interface RunningRow {
  readonly shape: RowShape;
  step: number;
  chainsLeft: number;
}

interface RunningCall extends ModelCall {
  readonly row: RunningRow;
  readonly chain: readonly ModelCall[];
  readonly at: number;
  readonly gateway: Gateway;
  pool: Pool | null;
}

interface Pool {
  readonly server: number;
  readonly slots: number;
  inUse: number;
}

interface Gateway {
  readonly pools: readonly Pool[];
  readonly line: RunningCall[];
  nextInLine: number;
  nextPool: number;
}

/** When each row ended, in the order in which they did: milliseconds from the start. The last of them is the job's end. */
export function runRows(job: JobShape, rows: number, shapeOf: (row: number) => RowShape): Float64Array {
  return new JobRun(job, rows, shapeOf).toItsEnd();
}

class JobRun {
  readonly #job: JobShape;
  readonly #rows: number;
  readonly #shapeOf: (row: number) => RowShape;
  readonly #servers: readonly StepClock<RunningCall>[];
  readonly #gateways: readonly Gateway[];
  readonly #onTheWay = new BinaryHeap<RunningCall>();
  readonly #endedMs: Float64Array;
  /** As the worker's: `worker.ts`, `#mayStart`. */
  readonly #mostRunning: number;
  readonly #mostWaiting: number;
  #started = 0;
  #ended = 0;
  #nowMs = 0;

  constructor(job: JobShape, rows: number, shapeOf: (row: number) => RowShape) {
    this.#job = job;
    this.#rows = rows;
    this.#shapeOf = shapeOf;
    this.#servers = job.servers.map((model) => new StepClock<RunningCall>(model));
    this.#gateways = job.gateways.map(({ pools }) => ({
      pools: pools.map((pool) => ({ ...pool, inUse: 0 })),
      line: [],
      nextInLine: 0,
      nextPool: 0,
    }));
    this.#endedMs = new Float64Array(rows);
    this.#mostRunning = 64 + 4 * slotsOf(job);
    const first = job.gateways[job.firstGateway]?.pools ?? [];
    this.#mostWaiting = Math.min(64, Math.max(4, first.reduce((sum, { slots }) => sum + slots, 0) / 8));
  }

  toItsEnd(): Float64Array {
    this.#startRows();
    while (this.#ended < this.#rows) {
      // Before servers say what comes next: what is there when a step ends takes part in the one after it.
      if (this.#onTheWay.least <= this.#nowMs) this.#arrive(this.#nowMs);
      let atMs = this.#onTheWay.least;
      let server: StepClock<RunningCall> | null = null;
      for (const each of this.#servers) {
        const nextMs = each.nextMs();
        if (nextMs > atMs) continue;
        atMs = nextMs;
        server = each;
      }
      if (atMs === Infinity) throw new RangeError("The simulated job stands still.");
      this.#nowMs = atMs;
      if (server === null) this.#arrive(atMs);
      else for (const call of server.advance()) this.#answered(call);
      this.#startRows();
    }
    return this.#endedMs;
  }

  #arrive(atMs: number): void {
    while (this.#onTheWay.least <= atMs) {
      const call = this.#onTheWay.take()!;
      this.#servers[call.pool!.server]!.submit(call, atMs);
    }
  }

  #startRows(): void {
    const first = this.#gateways[this.#job.firstGateway]!;
    while (
      this.#started < this.#rows &&
      this.#started - this.#ended < this.#mostRunning &&
      first.line.length - first.nextInLine < this.#mostWaiting
    ) {
      const row: RunningRow = { shape: this.#shapeOf(this.#started), step: -1, chainsLeft: 0 };
      this.#started++;
      this.#nextStep(row);
    }
  }

  #nextStep(row: RunningRow): void {
    for (;;) {
      row.step++;
      const step = row.shape.steps[row.step];
      if (step === undefined) {
        this.#endedMs[this.#ended++] = this.#nowMs;
        return;
      }
      const chains = step.chains.filter((chain) => chain.length > 0);
      if (chains.length === 0) continue;
      row.chainsLeft = chains.length;
      const gateway = this.#gateways[step.gateway]!;
      for (const chain of chains) this.#ask({ row, chain, at: 0, gateway });
      return;
    }
  }

  #ask({ row, chain, at, gateway }: Pick<RunningCall, "row" | "chain" | "at" | "gateway">): void {
    const { promptTokens, outputTokens, reservedTokens } = chain[at]!;
    gateway.line.push({ promptTokens, outputTokens, reservedTokens, row, chain, at, gateway, pool: null });
    this.#dispatch(gateway);
  }

  #dispatch(gateway: Gateway): void {
    while (gateway.nextInLine < gateway.line.length) {
      const pool = leastLoaded(gateway);
      if (pool === null) break;
      const call = gateway.line[gateway.nextInLine++]!;
      pool.inUse++;
      call.pool = pool;
      this.#onTheWay.add(this.#nowMs + this.#job.servers[pool.server]!.overheadMs, call);
    }
    if (gateway.nextInLine > 1_024 && gateway.nextInLine * 2 > gateway.line.length) {
      gateway.line.splice(0, gateway.nextInLine);
      gateway.nextInLine = 0;
    }
  }

  #answered(call: RunningCall): void {
    const { row, chain, at, gateway } = call;
    call.pool!.inUse--;
    if (at + 1 < chain.length) this.#ask({ row, chain, at: at + 1, gateway });
    else if (--row.chainsLeft === 0) this.#nextStep(row);
    this.#dispatch(gateway);
  }
}

/** As the engine's router picks. */
function leastLoaded(gateway: Gateway): Pool | null {
  const { pools } = gateway;
  let best: Pool | null = null;
  let bestLoad = 1;
  for (let step = 0; step < pools.length; step++) {
    const pool = pools[(gateway.nextPool + step) % pools.length]!;
    const load = pool.inUse / pool.slots;
    if (load >= bestLoad) continue;
    best = pool;
    bestLoad = load;
  }
  gateway.nextPool = (gateway.nextPool + 1) % pools.length;
  return best;
}
