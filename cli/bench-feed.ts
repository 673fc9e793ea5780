import { createLogUpdate } from "log-update";
import type { BenchHooks, BenchStart } from "../bench/bench-options.ts";
import type { StageLoad } from "../bench/load/stage-load.ts";
import type { StageProgress } from "../bench/metrics/stage-progress.ts";
import type { StageReport } from "../bench/report/bench-report.ts";
import { renderBench, renderStageLine, rowOfReport, runningRow, waitingRow } from "./bench-view.ts";
import type { StageRow } from "./bench-view.ts";
import { isLive, lookOf } from "./terminal.ts";
import type { Environment, OutputStream } from "./terminal.ts";
import { plain, wrap } from "./text.ts";

export interface BenchFeedOptions {
  readonly stream: OutputStream;
  readonly environment: Environment;
  readonly quiet: boolean;
  readonly now?: () => number;
}

const REDRAW_MS = 200;
const LINE_MS = 10_000;

/**
 * Shows a running benchmark: on a terminal a table that is redrawn at most 5 times a second, elsewhere a line every 10
 * seconds and one for every stage that ended. Dispose of it before anything else is printed.
 */
export class BenchFeed implements Disposable, Omit<BenchHooks, "signal"> {
  readonly #options: BenchFeedOptions;
  readonly #now: () => number;
  readonly #live: ReturnType<typeof createLogUpdate> | undefined;
  readonly #over: StageRow[] = [];
  #start: BenchStart | null = null;
  #load: StageLoad | null = null;
  #progress: StageProgress | null = null;
  #shownAt = Number.NEGATIVE_INFINITY;

  constructor(options: BenchFeedOptions) {
    const { stream, environment, quiet, now = Date.now } = options;
    this.#options = options;
    this.#now = now;
    this.#live = !quiet && isLive(stream, environment) ? createLogUpdate(stream) : undefined;
  }

  readonly onStart = (start: BenchStart): void => {
    this.#start = start;
    this.#redraw();
  };

  readonly onStage = (load: StageLoad): void => {
    this.#load = load;
    this.#progress = null;
    this.#shownAt = this.#now();
    this.#redraw();
  };

  readonly onProgress = (progress: StageProgress): void => {
    this.#progress = progress;
    const pause = this.#live === undefined ? LINE_MS : REDRAW_MS;
    if (this.#now() - this.#shownAt < pause) return;
    this.#shownAt = this.#now();
    if (this.#live !== undefined) this.#redraw();
    else if (this.#load !== null) this.#line(runningRow(this.#load, progress), progress.elapsedMs);
  };

  readonly onStageEnd = (report: StageReport): void => {
    const row = rowOfReport(report);
    this.#over.push(row);
    this.#load = null;
    this.#progress = null;
    if (this.#live === undefined) this.#line(row, report.window.end_ms);
    else this.#redraw();
  };

  /** A remark that only an audience needs. */
  readonly onNotice = (sentence: string): void => {
    if (!this.#options.quiet) this.say(sentence);
  };

  /** A remark that is always made: the answer to something that the reader did. */
  readonly say = (text: string): void => {
    const { stream, environment } = this.#options;
    if (this.#live === undefined) {
      stream.write(`${plain(text)}\n`);
      return;
    }
    this.#live.persist(wrap(plain(text), lookOf(stream, environment).width).join("\n"));
    this.#redraw();
  };

  [Symbol.dispose](): void {
    this.#live?.clear();
    this.#live?.done();
  }

  #line(row: StageRow, elapsedMs: number): void {
    if (!this.#options.quiet) this.#options.stream.write(`${renderStageLine(row, elapsedMs)}\n`);
  }

  #redraw(): void {
    if (this.#live === undefined || this.#start === null) return;
    const [start, load] = [this.#start, this.#load];
    const waiting = (start.stages ?? []).slice(this.#over.length + (load === null ? 0 : 1));
    const view = {
      start,
      rows: [
        ...this.#over,
        ...(load === null ? [] : [runningRow(load, this.#progress)]),
        ...waiting.map((name) => waitingRow(name)),
      ],
      running: load === null ? null : { load, elapsedMs: this.#progress?.elapsedMs ?? 0 },
    };
    this.#live(renderBench(view, lookOf(this.#options.stream, this.#options.environment)).join("\n"));
  }
}
