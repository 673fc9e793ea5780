/** Makes load on an endpoint, stage by stage, spread over threads that stay warm in between. */
import { availableParallelism } from "node:os";
import { clockMs } from "../fine-timer.ts";
import { sumProgress } from "../metrics/stage-progress.ts";
import type { StageProgress } from "../metrics/stage-progress.ts";
import { StageTally } from "../metrics/stage-tally.ts";
import { sumTimelines } from "../metrics/sum-timelines.ts";
import type { PromptOptions } from "../prompts/prompt-options.ts";
import type { ClientHealth, SloLimits, TimelinePoint } from "../report/bench-report.ts";
import { checkLoad, placesOf, plannedWindow } from "./check-load.ts";
import { clientHealth } from "./client-health.ts";
import type { LoadTarget } from "./load-target.ts";
import { LoadThread } from "./load-thread.ts";
import type { StagePart } from "./load-thread.ts";
import { SelfTimes } from "./self-times.ts";
import type { MeasuredWindow, StageLoad } from "./stage-load.ts";
import { OWN_LIMITS } from "./connection-code.ts";
import type { ThreadEnd } from "./thread-messages.ts";

export interface LoadGeneratorOptions {
  readonly target: LoadTarget;
  readonly prompts: PromptOptions;
  readonly threads: number;
  readonly slo: SloLimits | null;
  /** Lines of JSON, a `RequestRecord` each, every line with its end; some times a second while a stage runs. */
  readonly onRecords?: (jsonLines: string) => void;
  /** What `measureNoOpCeiling` found, for the client's health. */
  readonly noOpEventsPerSecond?: number | null;
}

export interface StageHooks {
  /** Some times a second. */
  readonly onProgress?: (progress: StageProgress) => void;
  /** Ends the stage at once; what was measured so far is its outcome. */
  readonly signal: AbortSignal;
  /** Asked once a second of what is over and what is not: true ends sending, as when the stage's time is over. */
  readonly stop?: (timeline: readonly TimelinePoint[]) => boolean;
}

export interface StageOutcome {
  /** Its window is closed. */
  readonly tally: StageTally;
  readonly window: MeasuredWindow;
  readonly startedAt: Date;
  readonly client: ClientHealth;
  /** Requests that waited for a place in flight, because no more were allowed: the load's doing, and not the client's. */
  readonly heldBack: { readonly requests: number; readonly waitP99Ms: number } | null;
  /** Requests whose kept connection the server closed before any byte of an answer: each was sent once more, on a new one. */
  readonly resent: number;
  /** How it ended before its time; null otherwise. */
  readonly endedBy: "stop" | "signal" | null;
}

/** Threads need so long to hear of a stage; it starts when all have. */
const LEAD_MS = 30;
/** More threads than there are requests to read so many of side by side only add to the noise. */
const PLACES_A_THREAD = 32;

export class LoadGenerator implements AsyncDisposable {
  readonly #options: LoadGeneratorOptions;
  readonly #threads: readonly LoadThread[];
  #nextPrompt = 0;

  private constructor(options: LoadGeneratorOptions, threads: readonly LoadThread[]) {
    this.#options = options;
    this.#threads = threads;
  }

  /** Opens threads and prompts. Throws what the prompts throw, `SPEC_INVALID` for a URL that is not HTTP. */
  static async open(options: LoadGeneratorOptions): Promise<LoadGenerator> {
    const threads = Array.from({ length: Math.max(1, options.threads) }, () => new LoadThread());
    const generator = new LoadGenerator(options, threads);
    try {
      await Promise.all(threads.map((thread) => thread.open(options.target, options.prompts)));
    } catch (error) {
      await generator[Symbol.asyncDispose]();
      throw error;
    }
    return generator;
  }

  /** Prompts that were sent so far, of all stages: the next stage goes on behind them. */
  get promptsUsed(): number {
    return this.#nextPrompt;
  }

  /**
   * Runs a stage to its end. One after another. Throws `USAGE` for a stage that can not be run, and the signal's reason where
   * it fired before the stage began.
   */
  async runStage(load: StageLoad, { onProgress, signal, stop }: StageHooks): Promise<StageOutcome> {
    checkLoad(load);
    signal.throwIfAborted();
    const threads = this.#threads.slice(0, Math.max(1, Math.floor(placesOf(load) / PLACES_A_THREAD)));
    const counter = new Int32Array(new SharedArrayBuffer(4));
    const latest = new Map<number, StageProgress>();
    const timelines = new Map<number, readonly TimelinePoint[]>();
    let endedBy: StageOutcome["endedBy"] = null;
    const tellAll = (command: "stop" | "abort", by: "stop" | "signal"): void => {
      endedBy ??= by;
      for (const part of parts) part.command(command);
    };
    const cpuBefore = process.cpuUsage();
    const startedAt = new Date(Date.now() + LEAD_MS);
    const originMs = clockMs() + LEAD_MS;
    const { slo, onRecords } = this.#options;
    const parts: readonly StagePart[] = threads.map((thread, part) =>
      thread.begin(
        {
          load,
          share: { part, of: threads.length },
          firstPrompt: this.#nextPrompt,
          originMs,
          slo,
          counter,
          wantsRecords: onRecords !== undefined,
          wantsTimeline: stop !== undefined,
        },
        (message) => {
          if (message.type === "records") return onRecords?.(message.lines);
          latest.set(part, message.progress);
          if (latest.size === threads.length) onProgress?.(sumProgress([...latest.values()]));
          if (message.timeline === null) return;
          timelines.set(part, message.timeline);
          // Once all threads have told the same seconds.
          if (timelines.size < threads.length) return;
          const timeline = sumTimelines([...timelines.values()]);
          timelines.clear();
          if (endedBy === null && stop?.(timeline) === true) tellAll("stop", "stop");
        },
      ),
    );
    const onAbort = (): void => tellAll("abort", "signal");
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const ends = await this.#endsOf(parts);
      const cpu = process.cpuUsage(cpuBefore);
      const wallMs = clockMs() - originMs;
      const outcome = outcomeOf(load, ends, {
        slo,
        endedBy,
        cpuSeconds: (cpu.user + cpu.system) / 1e6,
        seconds: wallMs / 1_000,
        noOpEventsPerSecond: this.#options.noOpEventsPerSecond ?? null,
      });
      return { ...outcome, startedAt };
    } finally {
      signal.removeEventListener("abort", onAbort);
      for (const { scheduled } of latest.values()) this.#nextPrompt += scheduled;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  /** All parts' ends. A part that fails ends the others, and its error is thrown when they are over. */
  async #endsOf(parts: readonly StagePart[]): Promise<readonly ThreadEnd[]> {
    for (const { ended } of parts) {
      ended.catch(() => {
        for (const part of parts) part.command("abort");
      });
    }
    const settled = await Promise.allSettled(parts.map(({ ended }) => ended));
    return settled.map((part) => {
      if (part.status === "fulfilled") return part.value;
      throw part.reason;
    });
  }
}

interface OutcomeContext {
  readonly slo: SloLimits | null;
  readonly endedBy: StageOutcome["endedBy"];
  readonly cpuSeconds: number;
  readonly seconds: number;
  readonly noOpEventsPerSecond: number | null;
}

function outcomeOf(
  load: StageLoad,
  ends: readonly ThreadEnd[],
  { slo, endedBy, ...own }: OutcomeContext,
): Omit<StageOutcome, "startedAt"> {
  const planned = plannedWindow(load);
  const tally = new StageTally({ window: planned, slo });
  for (const end of ends) tally.merge(StageTally.decode(end.tally));
  const sentUntilMs = Math.max(...ends.map((end) => end.sentUntilMs));
  const endMs = Math.max(...ends.map((end) => end.endMs));
  const closedMs = closingOf(planned, { endedBy, sentUntilMs, endMs, ...load });
  if (closedMs < planned.endMs) tally.close(closedMs);
  const times = new SelfTimes();
  for (const end of ends) times.merge(SelfTimes.decode(end.times));
  const client = clientHealth({
    threads: ends.map((end) => end.health),
    lateP99Ms: times.lateP99Ms,
    itlP50Ms: tally.progress({ elapsedMs: endMs, scheduled: 0, sent: 0, inFlight: 0, events: 0 }).itl.p50,
    events: ends.reduce((sum, end) => sum + end.events, 0),
    cores: availableParallelism(),
    unconnected: OWN_LIMITS.reduce((sum, code) => sum + (tally.due.byError[code] ?? 0), 0),
    ...own,
  });
  const { waitedCount, waitedP99Ms } = times;
  const heldBack = waitedCount === 0 ? null : { requests: waitedCount, waitP99Ms: waitedP99Ms ?? 0 };
  const resent = ends.reduce((sum, end) => sum + end.resent, 0);
  return { tally, window: tally.window, client, heldBack, resent, endedBy };
}

interface Ending {
  readonly endedBy: StageOutcome["endedBy"];
  readonly sentUntilMs: number;
  readonly endMs: number;
  readonly seconds: number | null;
  readonly requests: number | null;
}

/**
 * Where the window ends. A stage that was stopped is measured until then. One whose requests were used up before its time is
 * measured to the end of the last of them, just behind its last token; so is one without a time.
 */
function closingOf({ startMs, endMs: plannedMs }: MeasuredWindow, ending: Ending): number {
  const { endedBy, sentUntilMs, endMs, seconds, requests } = ending;
  const isUsedUp = requests !== null && (seconds === null || sentUntilMs < seconds * 1_000);
  const until = endedBy !== null ? sentUntilMs : isUsedUp ? endMs + 0.001 : plannedMs;
  return Math.max(startMs, Math.min(plannedMs, until));
}
