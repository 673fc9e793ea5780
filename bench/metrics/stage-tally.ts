/**
 * What the requests of one stage add up to, in memory that does not grow with them: distributions of the requests that were
 * due in the window, tokens by the stamps of their events, and a timeline. Each thread keeps one; they merge. Definitions:
 * `research/bench-peers.md`, section 2.
 */
import type { MeasuredRequest, RequestOutcome, RequestRecord } from "../load/request-record.ts";
import type { MeasuredWindow } from "../load/stage-load.ts";
import type { SloLimits, StageMetrics, TimelinePoint } from "../report/bench-report.ts";
import { DistributionTally } from "./distribution.ts";
import type { EncodedDistribution } from "./distribution.ts";
import { GapTally } from "./gap-tally.ts";
import type { EncodedGaps } from "./gap-tally.ts";
import { meetsSlo, timePerOutputToken } from "./slo.ts";
import { progressOf } from "./stage-progress.ts";
import type { LiveCounts, StageProgress } from "./stage-progress.ts";
import { TimeCells } from "./time-cells.ts";
import type { EncodedCells } from "./time-cells.ts";

/** The distributions with a sample a request; those of gaps are a `GapTally`'s. */
const PER_REQUEST = [
  "ttft_response",
  "ttft_service",
  "e2e_response",
  "e2e_service",
  "tpot",
  "ntpot",
  "prompt_tokens",
  "output_tokens",
  "client_lag",
] as const satisfies readonly (keyof StageMetrics)[];
type PerRequest = (typeof PER_REQUEST)[number];

/** Sums that only count what lies in the window. */
interface WindowSums {
  /** Successes whose last token lies in it, and their tokens. */
  completed: number;
  completedTokens: number;
  /** Tokens whose event lies in it. */
  outputTokens: number;
  /** Of prompts whose first token lies in it. */
  promptTokens: number;
  /** Milliseconds in flight, over requests … */
  flightMs: number;
  /** … and of requests without an end: how many, and the sum of when each came into the window. */
  endless: number;
  endlessSinceMs: number;
}

/** Of the requests due in the window. */
export interface DueCounts {
  readonly outcomes: Readonly<Record<RequestOutcome, number>>;
  /** Met the SLO; 0 without one. */
  readonly good: number;
  readonly byError: Readonly<Record<string, number>>;
  readonly finishReasons: Readonly<Record<string, number>>;
  readonly tokenSources: Readonly<Record<string, number>>;
}

/** What a tally can not know while its stage runs: the requests that were due and have not ended. */
export interface LiveRequests {
  readonly nowMs: number;
  /** `sentMs` is null for those that wait to be sent. */
  readonly open: Iterable<{ readonly scheduledMs: number; readonly sentMs: number | null }>;
}

/** A tally as plain data, to cross threads. */
export interface EncodedTally {
  readonly window: MeasuredWindow;
  readonly slo: SloLimits | null;
  readonly due: DueCounts;
  readonly ended: Readonly<Record<RequestOutcome, number>>;
  readonly sums: Readonly<WindowSums>;
  readonly distributions: Readonly<Record<PerRequest, EncodedDistribution>>;
  readonly gaps: EncodedGaps;
  readonly cells: EncodedCells;
}

export class StageTally {
  #window: MeasuredWindow;
  readonly #slo: SloLimits | null;
  readonly #due = {
    outcomes: noOutcomes(),
    good: 0,
    byError: {} as Record<string, number>,
    finishReasons: {} as Record<string, number>,
    tokenSources: {} as Record<string, number>,
  };
  /** Whenever they were due. */
  readonly #ended = noOutcomes();
  readonly #sums: WindowSums = {
    completed: 0,
    completedTokens: 0,
    outputTokens: 0,
    promptTokens: 0,
    flightMs: 0,
    endless: 0,
    endlessSinceMs: 0,
  };
  #distributions = Object.fromEntries(PER_REQUEST.map((name) => [name, new DistributionTally()])) as Record<
    PerRequest,
    DistributionTally
  >;
  #gaps = new GapTally();
  #cells = new TimeCells();

  constructor(options: { window: MeasuredWindow; slo: SloLimits | null }) {
    this.#window = options.window;
    this.#slo = options.slo;
  }

  get window(): MeasuredWindow {
    return this.#window;
  }

  get due(): DueCounts {
    return this.#due;
  }

  get sums(): Readonly<WindowSums> {
    return this.#sums;
  }

  get hasSlo(): boolean {
    return this.#slo !== null;
  }

  /**
   * Takes in a request that has ended, whatever its outcome and whenever it was due. Its stamps are not kept. Where no count of
   * tokens is known, each event that carries tokens counts as one.
   */
  add(request: MeasuredRequest): void {
    const { record } = request;
    this.#ended[record.outcome] += 1;
    const due = record.scheduledMs >= this.#window.startMs && record.scheduledMs < this.#window.endMs;
    if (due) this.#addDue(record);
    this.#addTimes(record);
    this.#addTokens(request);
    if (due && record.outcome === "ok") this.#gaps.add(request);
  }

  /** The numbers of the live view: the tally's own, with what only the sender knows of requests in flight. */
  progress(live: LiveCounts): StageProgress {
    const { ttft_response: ttft, e2e_response: e2e } = this.#distributions;
    return progressOf(live, { ended: this.#ended, ttft, e2e, itl: this.#gaps.itl() });
  }

  /**
   * A point a second since the stage's start, of the requests that have ended; with `live`, of those too that have not. The
   * last point may cover a part of its second.
   */
  timeline(live?: LiveRequests): TimelinePoint[] {
    if (live === undefined) return this.#cells.timeline();
    const cells = new TimeCells();
    cells.merge(this.#cells);
    for (const { scheduledMs, sentMs } of live.open) {
      cells.add("scheduled", scheduledMs, 1);
      if (sentMs === null) continue;
      cells.add("sent", sentMs, 1);
      cells.addFlight(sentMs, null);
    }
    cells.reach(live.nowMs);
    return cells.timeline();
  }

  metrics(): StageMetrics {
    const reports = Object.fromEntries(
      Object.entries(this.#distributions).map(([name, tally]) => [name, tally.report()]),
    ) as Pick<StageMetrics, PerRequest>;
    return { ...reports, itl: this.#gaps.itl().report(), icl: this.#gaps.icl().report() };
  }

  /**
   * Ends the window: sets the end of one that was open, or an earlier one for a stage that ended before its time. Requests
   * that were due count as before, so none may have been due at that time or later. What else lies behind it is taken off, by
   * tenths of a second.
   */
  close(endMs: number): void {
    if (endMs >= this.#window.endMs) return;
    const sums = this.#sums;
    sums.flightMs += sums.endless * this.#cells.latestMs - sums.endlessSinceMs;
    sums.endless = 0;
    sums.endlessSinceMs = 0;
    if (endMs < this.#cells.latestMs) {
      const until = this.#window.endMs;
      const behind = (counter: Parameters<TimeCells["after"]>[0]) =>
        this.#cells.after(counter, endMs) - this.#cells.after(counter, until);
      sums.completed -= behind("completed");
      sums.completedTokens -= behind("completedTokens");
      sums.outputTokens -= behind("outputTokens");
      sums.promptTokens -= behind("promptTokens");
      sums.flightMs -= this.#cells.flightAfter(endMs) - this.#cells.flightAfter(until);
    }
    this.#window = { ...this.#window, endMs };
  }

  /** Adds what another tally of the same stage holds. Throws a RangeError where their windows differ. */
  merge(other: StageTally): void {
    const [here, there] = [this.#window, other.#window];
    if (here.startMs !== there.startMs || here.endMs !== there.endMs) {
      throw new RangeError(
        `Tallies of the windows ${here.startMs} to ${here.endMs} ms and ${there.startMs} to ${there.endMs} ms do not add up.`,
      );
    }
    addTo(this.#due.outcomes, other.#due.outcomes);
    this.#due.good += other.#due.good;
    addTo(this.#due.byError, other.#due.byError);
    addTo(this.#due.finishReasons, other.#due.finishReasons);
    addTo(this.#due.tokenSources, other.#due.tokenSources);
    addTo(this.#ended, other.#ended);
    addTo(this.#sums, other.#sums);
    for (const name of PER_REQUEST) this.#distributions[name].merge(other.#distributions[name]);
    this.#gaps.merge(other.#gaps);
    this.#cells.merge(other.#cells);
  }

  encode(): EncodedTally {
    return {
      window: this.#window,
      slo: this.#slo,
      due: structuredClone(this.#due),
      ended: { ...this.#ended },
      sums: { ...this.#sums },
      distributions: Object.fromEntries(
        PER_REQUEST.map((name) => [name, this.#distributions[name].encode()]),
      ) as EncodedTally["distributions"],
      gaps: this.#gaps.encode(),
      cells: this.#cells.encode(),
    };
  }

  static decode(encoded: EncodedTally): StageTally {
    const tally = new StageTally({ window: encoded.window, slo: encoded.slo });
    Object.assign(tally.#due, structuredClone(encoded.due));
    Object.assign(tally.#ended, encoded.ended);
    Object.assign(tally.#sums, encoded.sums);
    for (const name of PER_REQUEST) {
      tally.#distributions[name] = DistributionTally.decode(encoded.distributions[name]);
    }
    tally.#gaps = GapTally.decode(encoded.gaps);
    tally.#cells = TimeCells.decode(encoded.cells);
    return tally;
  }

  #addDue(record: RequestRecord): void {
    const due = this.#due;
    due.outcomes[record.outcome] += 1;
    if (record.outcome === "error") countOne(due.byError, record.error ?? "unknown");
    if (record.finishReason !== null) countOne(due.finishReasons, record.finishReason);
    if (record.outputTokensSource !== null) countOne(due.tokenSources, record.outputTokensSource);
    if (this.#slo !== null && meetsSlo(record, this.#slo)) due.good += 1;
    const into = this.#distributions;
    const { scheduledMs, sentMs, firstTokenMs, lastTokenMs, outputTokens } = record;
    if (sentMs === null) return;
    into.client_lag.record(sentMs - scheduledMs);
    if (record.outcome !== "ok") return;
    if (record.promptTokens !== null) into.prompt_tokens.record(record.promptTokens);
    into.output_tokens.record(outputTokens);
    if (firstTokenMs === null || lastTokenMs === null) return;
    into.ttft_response.record(firstTokenMs - scheduledMs);
    into.ttft_service.record(firstTokenMs - sentMs);
    into.e2e_response.record(lastTokenMs - scheduledMs);
    into.e2e_service.record(lastTokenMs - sentMs);
    const tpot = timePerOutputToken(record);
    if (tpot !== null) into.tpot.record(tpot);
    if (outputTokens > 0) into.ntpot.record((lastTokenMs - sentMs) / outputTokens);
  }

  #addTimes(record: RequestRecord): void {
    const [cells, sums] = [this.#cells, this.#sums];
    const { scheduledMs, sentMs, firstTokenMs, outcome } = record;
    cells.add("scheduled", scheduledMs, 1);
    if (sentMs === null) return;
    cells.add("sent", sentMs, 1);
    cells.addFlight(sentMs, record.endMs);
    this.#addFlight(sentMs, record.endMs);
    if (firstTokenMs !== null) {
      cells.add("firstTokens", firstTokenMs, 1);
      cells.add("ttftSum", firstTokenMs, firstTokenMs - scheduledMs);
      cells.add("promptTokens", firstTokenMs, record.promptTokens ?? 0);
      if (this.#inWindow(firstTokenMs)) sums.promptTokens += record.promptTokens ?? 0;
    }
    const doneMs = record.lastTokenMs ?? record.endMs ?? sentMs;
    if (outcome === "error") cells.add("errors", record.endMs ?? doneMs, 1);
    if (outcome !== "ok") return;
    cells.add("completed", doneMs, 1);
    cells.add("completedTokens", doneMs, record.outputTokens);
    if (!this.#inWindow(doneMs)) return;
    sums.completed += 1;
    sums.completedTokens += record.outputTokens;
  }

  #addFlight(sentMs: number, endMs: number | null): void {
    const window = this.#window;
    const fromMs = Math.max(sentMs, window.startMs);
    const untilMs = Math.min(endMs ?? Infinity, window.endMs);
    if (untilMs <= fromMs) return;
    if (untilMs < Infinity) {
      this.#sums.flightMs += untilMs - fromMs;
      return;
    }
    this.#sums.endless += 1;
    this.#sums.endlessSinceMs += fromMs;
  }

  #addTokens({ record, stamps, tokensOfEvents }: MeasuredRequest): void {
    const { events } = record;
    if (events === 0) return;
    const each = record.outputTokens === 0 ? 1 : record.outputTokens / events;
    const { startMs, endMs } = this.#window;
    const { cells, cellsPerMs } = this.#cells.tokenCells(stamps[events - 1]!);
    let inWindow = 0;
    for (let event = 0; event < events; event += 1) {
      const stamp = stamps[event]!;
      const tokens = tokensOfEvents === null ? each : tokensOfEvents[event]!;
      cells[(stamp * cellsPerMs) | 0]! += tokens;
      if (stamp >= startMs && stamp < endMs) inWindow += tokens;
    }
    this.#sums.outputTokens += inWindow;
  }

  #inWindow(ms: number): boolean {
    return ms >= this.#window.startMs && ms < this.#window.endMs;
  }
}

function noOutcomes(): Record<RequestOutcome, number> {
  return { ok: 0, error: 0, incomplete: 0, "never-sent": 0 };
}

function countOne(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function addTo<Key extends string>(into: Record<Key, number>, from: Readonly<Record<Key, number>>): void {
  for (const [name, amount] of Object.entries(from) as [Key, number][]) into[name] = (into[name] ?? 0) + amount;
}
