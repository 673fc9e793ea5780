/** Gives a job to the coordinator of a broker. */
import { randomBytes } from "node:crypto";
import path from "node:path";
import { TidingError } from "../shared/errors.ts";
import { encodeSubmission, submissionKey, type Submission } from "../shared/protocol/submission-record.ts";
import type { LoadedSpec } from "../shared/spec/loaded-spec.ts";
import { readsStandardInput } from "../shared/spec/standard-input.ts";
import { TransportError, type Transport } from "../shared/transport/transport.ts";
import { refuseBatches } from "./batches/refuse-batches.ts";
import { listJobs, type CoordinatorView } from "./broker-view.ts";
import { hasEnded } from "./next-move.ts";
import { reachBroker } from "./reach-broker.ts";
import { refuseLiteralHeaders, storedSpec } from "./stored-spec.ts";

export interface SubmittedId {
  readonly id: string;
  /** On the coordinator's machine. */
  readonly output: string;
  /** Null: the job waits until one is started. */
  readonly coordinator: CoordinatorView | null;
}

/**
 * Submits a job; the coordinator finds it, now or when it is started. Relative paths in the spec start at the spec's folder,
 * on the coordinator's machine. Throws `USAGE` when a job that has not ended writes to the same output, for offline batches, or
 * for a header or standard input, which would have to be sent; `BROKER_UNREACHABLE`.
 */
export async function submitJob(transport: Transport, loaded: LoadedSpec): Promise<SubmittedId> {
  refuseLiteralHeaders(loaded);
  refuseStandardInput(loaded);
  refuseBatches(loaded.spec);
  const { spec, written, name, folder } = loaded;
  const output = path.resolve(folder, spec.output.path);
  const { jobs, coordinator } = await listJobs(transport);
  const other = jobs.find((job) => job.output === output && !hasEnded(job.state));
  if (other !== undefined) {
    throw new TidingError("USAGE", `The job ${other.id} (${other.state}) writes to this output already.`, {
      place: output,
      mend: `Follow it with \`tiding status ${other.id}\`, cancel it, or choose another output.path.`,
    });
  }
  for (;;) {
    const id = `${slugOf(name)}-${randomBytes(2).toString("hex")}`;
    const submission = { id, name, spec: storedSpec(written), folder, output, submittedAt: Date.now() };
    if (await reachBroker(() => isPut(transport, { ...submission, wanted: "run", order: 1 })))
      return { id, output, coordinator };
  }
}

function refuseStandardInput({ spec }: LoadedSpec): void {
  if (!readsStandardInput(spec.input)) return;
  throw new TidingError("USAGE", "Standard input cannot be submitted: the job runs where the coordinator is.", {
    place: "input.path",
    mend: "Write the rows to a file that the coordinator sees, or use `tiding run --broker URL` here.",
  });
}

/** False when another has the id. */
async function isPut({ state }: Transport, submission: Omit<Submission, "version">): Promise<boolean> {
  const key = submissionKey(submission.id);
  const body = encodeSubmission(submission);
  try {
    await state.swap(key, body, null);
    return true;
  } catch (error) {
    if (!(error instanceof TransportError) || (error.fault !== "conflict" && error.fault !== "unknown")) throw error;
    const present = await state.get(key);
    if (present === null) throw error;
    return Buffer.from(present.value).equals(body);
  }
}

function slugOf(name: string): string {
  const slug = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 30)
    .replaceAll(/^-|-$/g, "");
  return slug === "" ? "job" : slug;
}
