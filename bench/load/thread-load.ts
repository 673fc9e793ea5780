/** The state of one load thread: connections and prompts, kept from stage to stage. */
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { StageTally } from "../metrics/stage-tally.ts";
import { openPrompts } from "../prompts/prompt-source.ts";
import type { PromptSet } from "../prompts/prompt-source.ts";
import type { PromptOptions } from "../prompts/prompt-options.ts";
import { openings, schedule, sizeOfShare } from "./arrivals.ts";
import { placesOf, plannedWindow } from "./check-load.ts";
import type { ThreadHealth } from "./client-health.ts";
import { ClosedPacer } from "./closed-pacer.ts";
import { Connection } from "./connection.ts";
import { requestHeadersOf, secretsOf } from "./load-target.ts";
import type { LoadTarget } from "./load-target.ts";
import { OpenPacer } from "./open-pacer.ts";
import type { Pacer, Sender } from "./pacers.ts";
import type { Place } from "./place.ts";
import { ReadStamp } from "./read-stamp.ts";
import { SelfTimes } from "./self-times.ts";
import { StageRun } from "./stage-run.ts";
import type { StageCommand, StageMessage, StageTask, ThreadEnd } from "./thread-messages.ts";
import { routeOf, wireOf } from "./wires/bench-wire.ts";
import type { BenchWire } from "./wires/bench-wire.ts";

const PROGRESS_MS = 250;
/** Of the newest records, in characters; more are sent on at once. */
const MOST_BUFFERED = 262_144;
/** The sampling interval of the event loop's delay, which is part of each sample. */
const DELAY_SAMPLE_MS = 10;

export class ThreadLoad {
  readonly #target: LoadTarget;
  readonly #prompts: PromptSet;
  readonly #wire: BenchWire;
  readonly #route: { readonly origin: string; readonly path: string };
  readonly #stamp = new ReadStamp();
  readonly #places: Place[] = [];

  private constructor(target: LoadTarget, prompts: PromptSet) {
    this.#target = target;
    this.#prompts = prompts;
    this.#wire = wireOf(target);
    this.#route = routeOf(target);
  }

  /** Throws what the prompts throw, and `SPEC_INVALID` for a URL that is not HTTP. */
  static async open(target: LoadTarget, prompts: PromptOptions): Promise<ThreadLoad> {
    return new ThreadLoad(target, await openPrompts(prompts));
  }

  async runStage(task: StageTask): Promise<void> {
    const { port, load, wantsRecords } = task;
    const window = plannedWindow(load);
    const tally = new StageTally({ window, slo: task.slo });
    const times = new SelfTimes();
    let lines = "";
    const flush = (): void => {
      if (lines !== "") tell(port, { type: "records", lines });
      lines = "";
    };
    const run = new StageRun({
      wire: this.#wire,
      path: this.#route.path,
      headers: requestHeadersOf(this.#target),
      requestTimeoutMs: this.#target.requestTimeoutMs,
      prompt: (index) => this.#prompts.prompt(index),
      firstPrompt: task.firstPrompt,
      context: {
        stage: load.name,
        window,
        eventsAreTokens: this.#wire.eventsAreTokens,
        secrets: secretsOf(this.#target),
      },
      stamp: this.#stamp,
      originMs: task.originMs,
      sendForMs: (load.seconds ?? Number.POSITIVE_INFINITY) * 1_000,
      graceMs: load.graceSeconds * 1_000,
      tally,
      times,
      onRecord: (line) => {
        if (!wantsRecords) return;
        lines += `${line}\n`;
        if (lines.length > MOST_BUFFERED) flush();
      },
    });
    port.on("message", (command: StageCommand) => (command === "stop" ? run.stop() : run.abort()));
    let second = 0;
    const progress = setInterval(() => {
      flush();
      const live = run.live();
      const isNewSecond = Math.floor(live.elapsedMs / 1_000) > second;
      second = Math.floor(live.elapsedMs / 1_000);
      tell(port, {
        type: "progress",
        progress: tally.progress(live),
        timeline: isNewSecond && task.wantsTimeline ? tally.timeline(run.open()) : null,
      });
    }, PROGRESS_MS);
    const health = watchHealth();
    try {
      const pacer = this.#pacerFor(task, run);
      const end = await run.run(pacer);
      flush();
      tell(port, { type: "progress", progress: tally.progress(run.live()), timeline: null });
      const of: ThreadEnd = {
        ...end,
        tally: tally.encode(),
        times: times.encode(),
        health: health.end(pacer.turnedMs),
      };
      tell(port, { type: "end", end: of });
    } finally {
      clearInterval(progress);
      health.end(0);
      port.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#places.map(({ connection }) => connection.close()));
  }

  #pacerFor({ load, share, counter, originMs }: StageTask, sender: Sender): Pacer {
    const places = this.#placesFor(sizeOfShare(placesOf(load), share));
    const { arrivals, requests, rampSeconds } = load;
    if (arrivals.kind === "constant" || arrivals.kind === "poisson") {
      return new OpenPacer({ schedule: schedule(load, share), places, sender, originMs });
    }
    const isClosed = arrivals.kind === "closed";
    return new ClosedPacer({
      places,
      openings: openings(placesOf(load), isClosed ? rampSeconds : 0, share),
      counter,
      requests: requests ?? 2 ** 31 - 1,
      dueAtStart: !isClosed,
      share,
      sender,
      originMs,
    });
  }

  #placesFor(count: number): readonly Place[] {
    const { origin } = this.#route;
    const connectTimeoutMs = this.#target.requestTimeoutMs;
    while (this.#places.length < count) {
      const connection = new Connection({ origin, connectTimeoutMs });
      this.#places.push({ connection, exchange: null, isKept: false, dueMs: 0, deadlineMs: 0 });
    }
    return this.#places.slice(0, count);
  }
}

/** Watches the event loop of this thread until `end`. */
function watchHealth(): { end(turnedMs: number): ThreadHealth } {
  const delay = monitorEventLoopDelay({ resolution: DELAY_SAMPLE_MS });
  delay.enable();
  const before = performance.eventLoopUtilization();
  return {
    end(turnedMs) {
      delay.disable();
      const { active, idle } = performance.eventLoopUtilization(before);
      const p99Ms = delay.percentile(99) / 1e6;
      return {
        eventLoopDelayP99Ms: p99Ms > 0 ? Math.max(0, p99Ms - DELAY_SAMPLE_MS) : null,
        utilisation: Math.max(0, active - turnedMs) / (active + idle),
        turnedMs,
      };
    },
  };
}

function tell(port: StageTask["port"], message: StageMessage): void {
  port.postMessage(message);
}
