import { createLogUpdate } from "log-update";
import type { JobProgress } from "../shared/observe/job-report.ts";
import { renderProgress, renderProgressLine, sum } from "./progress-view.ts";
import type { Environment, OutputStream } from "./terminal.ts";
import { isLive, lookOf } from "./terminal.ts";
import { plain, wrap } from "./text.ts";

export interface ProgressFeedOptions {
  readonly name: string;
  readonly stream: OutputStream;
  readonly environment: Environment;
  /** Neither progress nor notices; `say` still speaks. */
  readonly quiet: boolean;
  readonly now?: () => number;
}

const redrawMs = 200;
const lineMs = 10_000;
/** A job that changes its state again and again must not fill a log. */
const changeMs = 1_000;
/** A notice that says the same with other numbers, such as how long something is waited for, is repeated this often. */
const noticeMs = 60_000;

/**
 * Shows a running job's progress: on a terminal lines that are redrawn at most 5 times a second, elsewhere one line
 * every 10 seconds and soon after the job's state changed. Dispose of it before anything else is printed.
 */
export class ProgressFeed implements Disposable {
  readonly #name: string;
  readonly #stream: OutputStream;
  readonly #environment: Environment;
  readonly #quiet: boolean;
  readonly #now: () => number;
  readonly #live: ReturnType<typeof createLogUpdate> | undefined;
  #latest: JobProgress | undefined;
  #shownState: JobProgress["state"] | undefined;
  #shownAt = Number.NEGATIVE_INFINITY;
  #noticed = "";
  #noticedAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor({ name, stream, environment, quiet, now = Date.now }: ProgressFeedOptions) {
    this.#name = name;
    this.#stream = stream;
    this.#environment = environment;
    this.#quiet = quiet;
    this.#now = now;
    this.#live = !quiet && isLive(stream, environment) ? createLogUpdate(stream) : undefined;
  }

  /** Requests in flight when the job was last heard of. */
  get requestsRunning(): number {
    return sum(this.#latest?.endpoints ?? [], "inUse");
  }

  show(progress: JobProgress): void {
    this.#latest = progress;
    if (this.#quiet) return;
    const pause = this.#live !== undefined ? redrawMs : progress.state === this.#shownState ? lineMs : changeMs;
    const wait = this.#shownAt + pause - this.#now();
    if (wait <= 0) this.#draw(progress);
    else if (this.#live !== undefined) this.#timer ??= setTimeout(() => this.#redraw(), wait);
  }

  /** A remark that only an audience needs. */
  notice(text: string): void {
    if (this.#quiet) return;
    const gist = text.replaceAll(/[\d.,]+/g, "");
    if (gist === this.#noticed && this.#now() - this.#noticedAt < noticeMs) return;
    this.#noticed = gist;
    this.#noticedAt = this.#now();
    this.say(text);
  }

  /** A remark that is always made: the answer to something that the reader did. */
  say(text: string): void {
    if (this.#live === undefined) {
      this.#stream.write(`${plain(text)}\n`);
      return;
    }
    this.#live.persist(wrap(plain(text), lookOf(this.#stream, this.#environment).width).join("\n"));
    this.#redraw();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#live?.clear();
    this.#live?.done();
  }

  #redraw(): void {
    if (this.#latest !== undefined) this.#draw(this.#latest);
  }

  #draw(progress: JobProgress): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#shownState = progress.state;
    this.#shownAt = this.#now();
    if (this.#live === undefined) this.#stream.write(`${renderProgressLine(progress)}\n`);
    else this.#live(renderProgress(this.#name, progress, lookOf(this.#stream, this.#environment)).join("\n"));
  }
}
