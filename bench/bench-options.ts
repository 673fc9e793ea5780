/** What a benchmark of an endpoint is told. */
import type { StageProgress } from "./metrics/stage-progress.ts";
import type { LoadTarget } from "./load/load-target.ts";
import type { StageLoad } from "./load/stage-load.ts";
import type { PromptOptions } from "./prompts/prompt-options.ts";
import type { BenchReport, SloLimits, StageReport } from "./report/bench-report.ts";
import type { SweepOptions } from "./sweep/sweep.ts";

export interface BenchEndpoint {
  /** As a spec's `base_url`. */
  readonly url: string;
  /** Of several that are served, the one that is asked for. */
  readonly modelId: string | null;
  /** The key as a reference, `${NAME}`; null for none but what the URL's host is sent by itself. */
  readonly apiKey: string | null;
  /** Headers of every request; values may refer to secrets. */
  readonly headers: Readonly<Record<string, string>>;
  /** `auto`: TGI's own route for synthetic prompts, which need no chat template; chat otherwise. */
  readonly route: LoadTarget["route"] | "auto";
}

export type BenchProfile =
  /** One after the other, all of the same kind of arrivals. */
  | { readonly kind: "stages"; readonly loads: readonly StageLoad[] }
  | { readonly kind: "sweep"; readonly sweep: SweepProfile };

export interface SweepProfile extends Omit<SweepOptions, "slo" | "maxConcurrency"> {
  /** Of the stage at full load; null for as many as the server says that it works on at a time, up to 1,024, or 256. */
  readonly maxConcurrency: number | null;
}

export interface BenchOptions {
  readonly endpoint: BenchEndpoint;
  readonly profile: BenchProfile;
  /** The run's id, which nonces depend on, is added. */
  readonly prompts: Omit<PromptOptions, "run">;
  readonly slo: SloLimits | null;
  readonly threads: number;
  /** Measures first, for some seconds, what this client can take in at most, so that the report can tell whether it was enough. */
  readonly selfCheck: boolean;
  /** Asks servers that can to generate up to the most tokens. */
  readonly ignoreEos: boolean;
  /** Sampling, by the names of a spec's `generation_kwargs`. */
  readonly generation: Readonly<Record<string, unknown>>;
  readonly requestTimeoutMs: number;
  /** Null for a fresh one in `folder`'s place, named by model and time. */
  readonly output: string | null;
  /** Replaces a report that lies there. */
  readonly force: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface BenchStart {
  /** Absolute. */
  readonly folder: string;
  readonly endpoint: BenchReport["endpoint"];
  /** Null where each stage decides on the next. */
  readonly stages: readonly string[] | null;
}

export interface BenchHooks {
  /** Ends the running stage; what was measured is reported. */
  readonly signal: AbortSignal;
  readonly onStart?: (start: BenchStart) => void;
  readonly onStage?: (load: StageLoad) => void;
  /** Some times a second. */
  readonly onProgress?: (progress: StageProgress) => void;
  readonly onStageEnd?: (report: StageReport) => void;
  readonly onNotice?: (sentence: string) => void;
}
