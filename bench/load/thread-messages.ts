/** What crosses between the main thread and those that make the load. */
import type { MessagePort } from "node:worker_threads";
import type { EncodedTally } from "../metrics/stage-tally.ts";
import type { StageProgress } from "../metrics/stage-progress.ts";
import type { PromptOptions } from "../prompts/prompt-options.ts";
import type { SloLimits, TimelinePoint } from "../report/bench-report.ts";
import type { Share } from "./arrivals.ts";
import type { ThreadHealth } from "./client-health.ts";
import type { LoadTarget } from "./load-target.ts";
import type { EncodedTimes } from "./self-times.ts";
import type { StageLoad } from "./stage-load.ts";

export interface StageTask {
  readonly load: StageLoad;
  readonly share: Share;
  readonly firstPrompt: number;
  /** The stage's start by `clockMs`, which all threads share. */
  readonly originMs: number;
  readonly slo: SloLimits | null;
  /** Next index of a closed loop. */
  readonly counter: Int32Array<SharedArrayBuffer>;
  readonly wantsRecords: boolean;
  /** Once a second, of what is over and what is not. */
  readonly wantsTimeline: boolean;
  readonly port: MessagePort;
}

export type LoadTask =
  | { readonly type: "open"; readonly target: LoadTarget; readonly prompts: PromptOptions }
  | ({ readonly type: "stage" } & StageTask)
  | { readonly type: "close" };

/** Main thread to load thread, within a stage. */
export type StageCommand = "stop" | "abort";

/** Load thread to main thread, within a stage. */
export type StageMessage =
  | { readonly type: "progress"; readonly progress: StageProgress; readonly timeline: readonly TimelinePoint[] | null }
  | { readonly type: "records"; readonly lines: string }
  | { readonly type: "end"; readonly end: ThreadEnd };

/** A thread's part of a stage that is over. */
export interface ThreadEnd {
  readonly tally: EncodedTally;
  readonly times: EncodedTimes;
  readonly health: ThreadHealth;
  /** Milliseconds since the stage's start. */
  readonly sentUntilMs: number;
  readonly endMs: number;
  readonly events: number;
  readonly resent: number;
}
