/** One run of a submitted job in the coordinator's process, to whatever end. */
import { readManifest } from "../coordinator/output/output-directory.ts";
import { asTidingError, isTidingError, type TidingError } from "../shared/errors.ts";
import type { JobProgress, JobReport } from "../shared/observe/job-report.ts";
import type { Submission } from "../shared/protocol/submission-record.ts";
import { specFromObject } from "../shared/spec/load-spec.ts";
import type { Transport } from "../shared/transport/transport.ts";
import type { EngineSettings } from "./engine-settings.ts";
import { jobKey } from "./job-key.ts";
import type { Asked } from "./next-move.ts";
import { sharedBroker } from "./open-broker.ts";
import { runJob } from "./run-job.ts";

export interface SubmittedRunOptions {
  readonly transport: Transport;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly settings: EngineSettings | undefined;
  readonly onNotice: (notice: string) => void;
}

/** `interrupted`: it was asked to end before it had begun. */
export type RunEnding =
  | { readonly kind: "reported"; readonly report: JobReport }
  | { readonly kind: "interrupted" }
  | { readonly kind: "failed"; readonly error: TidingError };

export class SubmittedRun {
  readonly ended: Promise<RunEnding>;
  readonly #drain = new AbortController();
  readonly #stop = new AbortController();
  #progress: JobProgress | null = null;
  #notice: string | null = null;
  #job: string | null = null;

  constructor(submission: Submission, options: SubmittedRunOptions) {
    this.ended = this.#run(submission, options);
  }

  get progress(): JobProgress | null {
    return this.#progress;
  }

  /** What it last said while there was no progress to show yet. */
  get waitingFor(): string | null {
    return this.#progress === null ? this.#notice : null;
  }

  /** The job's name at the broker, once it is known. */
  get job(): string | null {
    return this.#job;
  }

  get asked(): Asked {
    if (this.#stop.signal.aborted) return "stop";
    return this.#drain.signal.aborted ? "drain" : "nothing";
  }

  drain(): void {
    this.#drain.abort();
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(submission: Submission, options: SubmittedRunOptions): Promise<RunEnding> {
    const { transport, environment, settings, onNotice } = options;
    const { spec, folder, name, output } = submission;
    try {
      const report = await runJob({
        loaded: specFromObject(spec, { folder, environment, name }),
        environment,
        drain: this.#drain.signal,
        stop: this.#stop.signal,
        broker: sharedBroker(transport, { works: false, environment }),
        onNotice: (notice) => {
          this.#notice = notice;
          onNotice(notice);
        },
        onProgress: (progress) => {
          if (this.#progress === null) void this.#learnJob(output);
          this.#progress = progress;
        },
        ...(settings === undefined ? {} : { settings }),
      });
      return { kind: "reported", report };
    } catch (error) {
      if (!isTidingError(error) && this.asked !== "nothing") return { kind: "interrupted" };
      return { kind: "failed", error: asTidingError(error) };
    }
  }

  async #learnJob(output: string): Promise<void> {
    // Only for views: a manifest that cannot be read stops the run elsewhere.
    const manifest = await readManifest(output).catch(() => null);
    if (manifest !== null) this.#job = jobKey(manifest);
  }
}
