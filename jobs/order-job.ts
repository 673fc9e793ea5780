/** Asks the coordinator to pause, resume or cancel a submitted job. */
import { TidingError } from "../shared/errors.ts";
import {
  decodeSubmission,
  encodeSubmission,
  submissionKey,
  type Submission,
} from "../shared/protocol/submission-record.ts";
import { TransportError, type Transport } from "../shared/transport/transport.ts";
import { showJob, type SubmittedJob } from "./broker-view.ts";
import { reachBroker } from "./reach-broker.ts";

type Wanted = Submission["wanted"];

/**
 * Records what is wanted of a job, and gives the job as it was then: the coordinator does it when it reads it. A job that
 * is so already is left alone. Throws `USAGE` for an id that is not known, or where it cannot be done;
 * `BROKER_UNREACHABLE`.
 */
export async function orderJob(transport: Transport, id: string, wanted: Wanted): Promise<SubmittedJob> {
  for (;;) {
    const job = await showJob(transport, id);
    refuseInVain(job, wanted);
    if (isSo(job, wanted)) return job;
    if (await reachBroker(() => isOrdered(transport, id, wanted))) return job;
  }
}

/** False when the submission changed meanwhile. */
async function isOrdered({ state }: Transport, id: string, wanted: Wanted): Promise<boolean> {
  const key = submissionKey(id);
  const known = await state.get(key);
  if (known === null) return false;
  const submission = decodeSubmission(known.value);
  try {
    await state.swap(key, encodeSubmission({ ...submission, wanted, order: submission.order + 1 }), known.version);
    return true;
  } catch (error) {
    // After an unknown outcome it is looked up: an order that is given twice does no harm.
    if (error instanceof TransportError && (error.fault === "conflict" || error.fault === "unknown")) return false;
    throw error;
  }
}

function isSo({ state, wanted: before }: SubmittedJob, wanted: Wanted): boolean {
  if (wanted === "run") return before === "run" && state !== "stopped";
  return (before === wanted || (before === "cancel-now" && wanted === "cancel")) && state !== "stopped";
}

function refuseInVain({ id, state, output }: SubmittedJob, wanted: Wanted): void {
  const isOver = state === "finished" || state === "finished-with-failed-rows";
  if (isOver || (state === "cancelled" && wanted === "run")) {
    throw new TidingError("USAGE", `The job ${id} is ${isOver ? "finished" : "cancelled"}.`, {
      place: output,
      mend: isOver
        ? "`tiding retry DIR` runs failed rows again, where its output is."
        : "Submit it again: it goes on from what landed.",
    });
  }
  if (wanted === "pause" && (state === "stopped" || state === "cancelled")) {
    throw new TidingError("USAGE", `The job ${id} is ${state}: there is nothing to pause.`, { place: output });
  }
}
