/**
 * What happened when, in cells of a tenth of a second: the timeline's points are made of them, and what lies behind a
 * stage's end is taken off by them.
 */
import type { TimelinePoint } from "../report/bench-report.ts";

const CELL_MS = 100;
const CELLS_PER_SECOND = 1000 / CELL_MS;

/** In the order in which they are encoded. */
const COUNTERS = [
  "scheduled",
  "sent",
  /** Answers that ended well, at their last token, and their tokens. */
  "completed",
  "completedTokens",
  "errors",
  /** Tokens at the stamps of their events, of whatever request. */
  "outputTokens",
  /** Prompts' tokens at the first token of their answers. */
  "promptTokens",
  "firstTokens",
  "ttftSum",
  /** Requests in flight: how many more than in the cell before … */
  "flightChange",
  /** … and by how many milliseconds that is wrong for a cell that is entered or left within. */
  "flightPartial",
] as const;
type Counter = (typeof COUNTERS)[number];

/** Plain data, to cross threads. */
export interface EncodedCells {
  readonly latestMs: number;
  readonly counters: readonly Float64Array[];
}

export class TimeCells {
  #cells: Record<Counter, Float64Array>;
  #capacity = 0;
  #latestMs = -1;

  constructor() {
    this.#cells = emptyCounters(0);
  }

  /** The latest time that anything is known of; −1 where nothing is. */
  get latestMs(): number {
    return this.#latestMs;
  }

  add(counter: Counter, atMs: number, amount: number): void {
    this.reach(atMs);
    this.#cells[counter][cellOf(atMs)]! += amount;
  }

  /** The cells of the tokens, for a loop over events up to `latestMs`; cell `stamp × cellsPerMs`. Valid until cells are added. */
  tokenCells(latestMs: number): { readonly cells: Float64Array; readonly cellsPerMs: number } {
    this.reach(latestMs);
    return { cells: this.#cells.outputTokens, cellsPerMs: 1 / CELL_MS };
  }

  /** A request in flight over that time; without an end, from then on. */
  addFlight(sentMs: number, endMs: number | null): void {
    this.reach(Math.max(sentMs, endMs ?? 0));
    const { flightChange, flightPartial } = this.#cells;
    const first = cellOf(sentMs);
    flightChange[first]! += 1;
    flightPartial[first]! -= sentMs - first * CELL_MS;
    if (endMs === null) return;
    const last = cellOf(endMs);
    flightChange[last]! -= 1;
    flightPartial[last]! += endMs - last * CELL_MS;
  }

  /** How much of a counter lies at or after a time; within the cell that holds it in proportion to time. */
  after(counter: Exclude<Counter, "flightChange" | "flightPartial">, fromMs: number): number {
    return this.#sumAfter(this.#cells[counter], fromMs);
  }

  /** Milliseconds in flight after a time, up to the latest. */
  flightAfter(fromMs: number): number {
    return this.#sumAfter(this.#flight(), fromMs);
  }

  merge(other: TimeCells): void {
    this.reach(other.#latestMs);
    for (const counter of COUNTERS) {
      const into = this.#cells[counter];
      other.#cells[counter].forEach((amount, cell) => {
        if (amount !== 0) into[cell]! += amount;
      });
    }
  }

  timeline(): TimelinePoint[] {
    const cells = { ...this.#cells, flight: this.#flight() };
    const seconds = Math.floor(this.#latestMs / 1000) + 1;
    return Array.from({ length: seconds }, (_, second) => {
      const sum = (values: Float64Array): number => {
        const from = second * CELLS_PER_SECOND;
        return values.subarray(from, from + CELLS_PER_SECOND).reduce((total, value) => total + value, 0);
      };
      const coveredMs = Math.min(1000, this.#latestMs - second * 1000);
      const firstTokens = sum(cells.firstTokens);
      return {
        second,
        scheduled: sum(cells.scheduled),
        sent: sum(cells.sent),
        completed: sum(cells.completed),
        errors: sum(cells.errors),
        output_tokens: sum(cells.outputTokens),
        in_flight: coveredMs === 0 ? 0 : sum(cells.flight) / coveredMs,
        ttft_response_mean: firstTokens === 0 ? null : sum(cells.ttftSum) / firstTokens,
      };
    });
  }

  encode(): EncodedCells {
    const used = Math.min(this.#capacity, cellOf(this.#latestMs) + 1);
    return { latestMs: this.#latestMs, counters: COUNTERS.map((counter) => this.#cells[counter].slice(0, used)) };
  }

  static decode(encoded: EncodedCells): TimeCells {
    const cells = new TimeCells();
    cells.reach(encoded.latestMs);
    COUNTERS.forEach((counter, index) => cells.#cells[counter].set(encoded.counters[index]!));
    return cells;
  }

  /** Makes room up to a time. */
  reach(latestMs: number): void {
    if (latestMs > this.#latestMs) this.#latestMs = latestMs;
    const needed = cellOf(latestMs) + 1;
    if (needed <= this.#capacity) return;
    const grown = emptyCounters(Math.max(needed, this.#capacity * 2));
    for (const counter of COUNTERS) grown[counter].set(this.#cells[counter]);
    this.#cells = grown;
    this.#capacity = grown.scheduled.length;
  }

  /** Milliseconds in flight in each cell, summed over requests. Beyond the latest time nothing is known, and nothing counts. */
  #flight(): Float64Array {
    const { flightChange, flightPartial } = this.#cells;
    let full = 0;
    return flightPartial.map((partial, cell) => {
      full += flightChange[cell]!;
      const coveredMs = Math.min(Math.max(this.#latestMs - cell * CELL_MS, 0), CELL_MS);
      return full * coveredMs + partial;
    });
  }

  #sumAfter(values: Float64Array, fromMs: number): number {
    const first = cellOf(fromMs);
    const partOfFirst = ((first + 1) * CELL_MS - fromMs) / CELL_MS;
    return values
      .subarray(first)
      .reduce((total, value, index) => total + (index === 0 ? value * partOfFirst : value), 0);
  }
}

function emptyCounters(length: number): Record<Counter, Float64Array> {
  return Object.fromEntries(COUNTERS.map((counter) => [counter, new Float64Array(length)])) as Record<
    Counter,
    Float64Array
  >;
}

function cellOf(ms: number): number {
  return ms <= 0 ? 0 : Math.floor(ms / CELL_MS);
}
