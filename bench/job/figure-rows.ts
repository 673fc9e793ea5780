/** The figures of a report in their order, with what each says: for the terminal and the page alike. */
import { shownMs, shownNumber, shownShare } from "../report/numbers.ts";
import type { JobBenchReport, Spread } from "./job-bench-report.ts";

export interface FigureRow {
  readonly name: string;
  readonly median: string;
  /** Empty for a single run. */
  readonly range: string;
  /** In a few words. */
  readonly says: string;
}

type Shown = (value: number) => string;

/** Those that are known. */
export function figureRows({ figures, scaling }: JobBenchReport): readonly FigureRow[] {
  const rows: FigureRow[] = [];
  const add = (name: string, spread: Spread, shown: Shown, says: string): void => {
    if (spread === null) return;
    const range = spread.n < 2 ? "" : `${shown(spread.min)} – ${shown(spread.max)}`;
    rows.push({ name, median: shown(spread.median), range, says });
  };
  add("accepted rows", figures.rows_s_accepted, perSecond, "over the whole wall time");
  add("tokens in accepted rows", figures.tok_s_accepted, perSecond, "as the server counts them");
  add("waste", figures.waste, shownShare, "of the tokens generated, those in no accepted row");
  add("utilisation", figures.utilisation, shownShare, "mean in flight / slots, from begin to end");
  add("while dispatching", figures.dispatch_utilisation, shownShare, "first request until nothing is left to start");
  add("ramp", figures.ramp_ms, shownMs, "begin until 95 % of the slots are in flight");
  add("drain", figures.drain_ms, shownMs, "first idle slot with nothing left to start, until the last answer");
  add("finish", figures.finish_ms, shownMs, "last answer until the dataset is there");
  add("tail", figures.tail_fraction, shownShare, "(drain + finish) / wall");
  add("engine overhead", figures.engine_overhead, shownShare, "1 - answers/s of the job / of the bare loop");
  add("… in steady state", figures.steady_overhead, shownShare, "the same between ramp and drain");
  add("CPU an answer, job", figures.job_cpu_us_per_answer, micros, "recording included");
  add("CPU an answer, bare loop", figures.bare_cpu_us_per_answer, micros, "recording included");
  if (scaling !== null) {
    const name = `scaling to ${scaling.endpoints} endpoints`;
    add(name, scaling.scaling_efficiency, shownShare, "rows/s on all / (n × rows/s on one)");
    add("… in steady state", scaling.steady_scaling_efficiency, shownShare, "by answers/s between ramp and drain");
  }
  return rows;
}

/** Of the run in which a worker was killed: what came of it, in sentences without an end. */
export function recoveryTexts({ recovery }: JobBenchReport): readonly string[] {
  if (recovery === null) return [];
  const { workers, replaced, recovery_ms: backMs, sent_again_ms: againMs } = recovery;
  return [
    `one of ${workers} workers killed after ${shownMs(recovery.killed_at_ms)}, ${replaced ? "replaced at once" : "not replaced"}`,
    `${shownNumber(recovery.in_flight_before)} in flight before, ${recovery.in_flight_lowest} at the least`,
    backMs === null ? "in flight never back at 95 % of that" : `back at 95 % of that after ${shownMs(backMs)}`,
    againMs === null
      ? "nothing was sent again"
      : `requests paid twice: ${recovery.requests_sent_again}, the last sent again after ${shownMs(againMs)}`,
  ];
}

function perSecond(value: number): string {
  return `${shownNumber(value)}/s`;
}

function micros(microseconds: number): string {
  return `${shownNumber(microseconds)} µs`;
}
