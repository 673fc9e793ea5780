/** How long a job of any size takes: small ones are simulated whole, of large ones the start, a steady part and the end. */
import { runRows } from "./job-run.ts";
import { slotsOf, type JobShape, type RowShape } from "./job-shape.ts";

/** Rows that are simulated at least, and for each slot: enough for a steady part between the start and the last rows. */
const LEAST_ROWS = 3_000;
const ROWS_A_SLOT = 12;
const MOST_CALLS = 400_000;
/** Of the simulated rows, by when they ended: those in the middle are steady. */
const STEADY_FROM = 0.35;
const STEADY_ROWS = 0.4;
const LEAST_ROUNDS = 10;

export interface RowDraw {
  readonly shapes: readonly RowShape[];
  /** Decides which row is of which shape. */
  readonly random: () => number;
  /** Every shape has its share; otherwise a small job has the rows that chance gives it. Of a large job it has always. */
  readonly isEven: boolean;
}

export function wallMs(job: JobShape, rows: number, { shapes, random, isEven }: RowDraw): number {
  if (rows === 0) return 0;
  const simulated = simulatedRows(job, rows, shapes);
  const shapeOf =
    isEven || simulated < rows ? evenly(shapes, random) : () => shapes[Math.floor(random() * shapes.length)]!;
  const endedMs = runRows(job, simulated, shapeOf);
  const last = endedMs[simulated - 1]!;
  if (simulated === rows) return last;
  return last + (rows - simulated) * steadyMs(endedMs, job);
}

/**
 * Milliseconds a row in the middle. Rows of one length end in rounds, as many at a time as there are slots: so rows are
 * compared that lie whole rounds apart, each row of a round with its like.
 */
function steadyMs(endedMs: Float64Array, { gateways, firstGateway }: JobShape): number {
  const slots = gateways[firstGateway]!.pools.reduce((sum, pool) => sum + pool.slots, 0);
  const round = Math.max(1, Math.min(slots, Math.floor(endedMs.length / LEAST_ROUNDS)));
  const from = Math.floor(endedMs.length * STEADY_FROM);
  const apart = round * Math.max(1, Math.floor((endedMs.length * STEADY_ROWS) / round));
  let sum = 0;
  for (let row = from; row < from + round; row++) sum += endedMs[row + apart]! - endedMs[row]!;
  return sum / round / apart;
}

/** How many of so many rows are simulated. */
export function simulatedRows(job: Pick<JobShape, "gateways">, rows: number, shapes: readonly RowShape[]): number {
  const calls = shapes.reduce((sum, shape) => sum + callsOf(shape), 0) / Math.max(1, shapes.length);
  const wanted = Math.max(LEAST_ROWS, ROWS_A_SLOT * slotsOf(job));
  return Math.min(rows, wanted, Math.max(64, Math.ceil(MOST_CALLS / Math.max(1, calls))));
}

function callsOf(shape: RowShape): number {
  return shape.steps.reduce((sum, { chains }) => sum + chains.reduce((of, chain) => of + chain.length, 0), 0);
}

/** Rounds of all shapes, each in an order of its own: the simulated part is like the whole, not like a draw from it. */
function evenly(shapes: readonly RowShape[], random: () => number): () => RowShape {
  let round: RowShape[] = [];
  return () => {
    if (round.length === 0) round = shuffled(shapes, random);
    return round.pop()!;
  };
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const mixed = [...items];
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [mixed[last], mixed[other]] = [mixed[other]!, mixed[last]!];
  }
  return mixed;
}
