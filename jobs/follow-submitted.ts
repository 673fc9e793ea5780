import { setTimeout as delay } from "node:timers/promises";
import { isTidingError } from "../shared/errors.ts";
import type { Transport } from "../shared/transport/transport.ts";
import { showJob, type SubmittedJob } from "./broker-view.ts";
import { hasEnded } from "./next-move.ts";

const LOOK_MS = 1_000;

export interface FollowSubmittedOptions {
  /** Ends the following, not the job. */
  readonly signal: AbortSignal;
  /** About once a second. */
  readonly onJob: (job: SubmittedJob) => void;
  readonly onNotice: (notice: string) => void;
}

/** Looks at a submitted job until it ends, through outages of the broker; gives it as it was last. Throws as `showJob` does. */
export async function followSubmitted(
  transport: Transport,
  id: string,
  { signal, onJob, onNotice }: FollowSubmittedOptions,
): Promise<SubmittedJob> {
  let job = await showJob(transport, id);
  for (;;) {
    onJob(job);
    if (hasEnded(job.state) || signal.aborted) return job;
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
    try {
      job = await showJob(transport, id);
    } catch (error) {
      if (!isTidingError(error) || error.code !== "BROKER_UNREACHABLE") throw error;
      onNotice("The broker cannot be reached; waiting for it.");
    }
  }
}
