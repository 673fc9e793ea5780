/** What is known at a broker: its submitted jobs, its coordinator and its workers. Reads only. */
import { isTidingError, TidingError } from "../shared/errors.ts";
import type { JobProgress, JobReport, RowCounts } from "../shared/observe/job-report.ts";
import {
  COORDINATOR_RECORDS,
  decodeCoordinatorRecord,
  type CoordinatorRecord,
} from "../shared/protocol/coordinator-record.ts";
import { decodeStanding, STANDINGS, type Standing } from "../shared/protocol/standing-record.ts";
import { decodeSubmission, SUBMISSIONS, type Submission } from "../shared/protocol/submission-record.ts";
import { decodeWorkerRecord, WORKER_RECORDS, type WorkerRecord } from "../shared/protocol/worker-record.ts";
import type { ListedState, Transport } from "../shared/transport/transport.ts";
import { nearestName } from "../shared/spec/nearest-name.ts";
import { hasEnded } from "./next-move.ts";
import { reachBroker } from "./reach-broker.ts";

/** Workers and coordinators tell of themselves every second; one that was silent for this long is taken for gone. */
const SILENT_MS = 15_000;
/** How long jobs that ended are listed without being asked for. */
const RECENT_MS = 24 * 3_600_000;

export interface SubmittedJob {
  readonly id: string;
  readonly name: string;
  readonly state: Standing["state"];
  /** What its clients want; `state` follows. */
  readonly wanted: Submission["wanted"];
  /** On the coordinator's machine. */
  readonly output: string;
  readonly rows: RowCounts;
  /** Share of the rows that are done, from 0 to 1; null while their number is not known. */
  readonly done: number | null;
  /** Over the last 10 seconds; 0 for a job that does not run. */
  readonly rowsPerSecond: number;
  /** Workers that work on it now. */
  readonly workers: number;
  /** ISO 8601, by the client's clock. */
  readonly submittedAt: string;
  /** Why it does not run yet, or what it waits for while it does. */
  readonly waitingFor: string | null;
  /** The id in the output's manifest; null until it first ran. */
  readonly job: string | null;
  readonly progress: JobProgress | null;
  /** Of the last run that ended. */
  readonly report: JobReport | null;
  readonly error: JobReport["error"];
}

export interface CoordinatorView {
  readonly coordinator: string;
  readonly host: string;
  readonly pid: number;
  /** ISO 8601, by its own clock. */
  readonly since: string;
  readonly state: CoordinatorRecord["state"] | "silent";
  readonly jobs: number;
  readonly maxJobs: number;
}

export interface WorkerView {
  readonly worker: string;
  readonly host: string;
  readonly pid: number;
  /** ISO 8601, by its own clock. */
  readonly since: string;
  readonly state: WorkerRecord["state"] | "silent";
  /** How long ago it last told of itself, by the broker's clock. */
  readonly silentMs: number;
  /** Jobs that it works on now. */
  readonly jobs: number;
  /** Rows that it finished in the present runs of its jobs. */
  readonly rows: number;
  readonly slots: number;
  readonly slotsInUse: number;
  /** What keeps it from jobs. */
  readonly problems: readonly { readonly job: string; readonly message: string }[];
}

/** A record that this version of Tiding cannot read. */
export interface Unreadable {
  readonly key: string;
  readonly message: string;
  readonly mend: string | null;
}

export interface BrokerJobs {
  readonly version: 1;
  /** The one at work, or null. */
  readonly coordinator: CoordinatorView | null;
  readonly jobs: readonly SubmittedJob[];
  readonly unreadable: readonly Unreadable[];
}

export interface BrokerWorkers {
  readonly version: 1;
  readonly workers: readonly WorkerView[];
  readonly unreadable: readonly Unreadable[];
}

/** Jobs that were submitted, the newest last; without `all` none that ended more than a day ago. Throws `BROKER_UNREACHABLE`. */
export async function listJobs(transport: Transport, options: { readonly all?: boolean } = {}): Promise<BrokerJobs> {
  const unreadable: Unreadable[] = [];
  const { jobs, ages } = await readJobs(transport, unreadable);
  const coordinator = await coordinatorAtWork(transport);
  const shown = jobs.filter(
    ({ id, state }) => options.all === true || !hasEnded(state) || (ages.get(id) ?? 0) < RECENT_MS,
  );
  return { version: 1, coordinator, jobs: shown, unreadable };
}

/** One submitted job. Throws `USAGE` for an id that is not known, `BROKER_UNREACHABLE`. */
export async function showJob(transport: Transport, id: string): Promise<SubmittedJob> {
  const unreadable: Unreadable[] = [];
  const { jobs } = await readJobs(transport, unreadable);
  const job = jobs.find((each) => each.id === id);
  if (job !== undefined) return job;
  const known = unreadable.find(({ key }) => key === `${SUBMISSIONS}${id}`);
  if (known !== undefined)
    throw new TidingError("PROTOCOL_MISMATCH", known.message, { place: id, mend: known.mend ?? "" });
  throw unknownJob(
    id,
    jobs.map((each) => each.id),
  );
}

/** Workers that told of themselves within the last hour; without `all` none that left. Throws `BROKER_UNREACHABLE`. */
export async function listWorkers(
  transport: Transport,
  options: { readonly all?: boolean } = {},
): Promise<BrokerWorkers> {
  const unreadable: Unreadable[] = [];
  const workers = (await readWorkers(transport, unreadable)).map(viewWorker);
  const shown = workers.filter(({ state }) => options.all === true || state !== "left");
  return { version: 1, workers: shown.toSorted((a, b) => (a.since < b.since ? -1 : 1)), unreadable };
}

/** The coordinator that accepts jobs, or null where none does. Throws `BROKER_UNREACHABLE`. */
export async function coordinatorAtWork(transport: Transport): Promise<CoordinatorView | null> {
  const listed = await reachBroker(() => transport.state.list(COORDINATOR_RECORDS));
  const coordinators = readable(listed, decodeCoordinatorRecord, []).map(({ record, ageMs }): CoordinatorView => {
    const { coordinator, host, pid, startedAt, state, jobs, maxJobs } = record;
    const since = new Date(startedAt).toISOString();
    return { coordinator, host, pid, since, state: stateOf(state, ageMs), jobs, maxJobs };
  });
  return coordinators.find(({ state }) => state === "at-work" || state === "draining") ?? null;
}

/** Throws `USAGE`: names the ids that may have been meant. */
export function unknownJob(id: string, known: readonly string[]): TidingError {
  const stem = id.replace(/-[0-9a-f]{0,4}$/, "");
  const alike = known.filter((each) => each.startsWith(stem) || each.includes(id));
  const nearest = nearestName(id, known);
  const near = [...new Set([...(nearest === null ? [] : [nearest]), ...alike])].slice(0, 5);
  return new TidingError("USAGE", `No job ${id} is known at this broker.`, {
    mend: near.length > 0 ? `Did you mean ${near.join(" or ")}?` : "`tiding jobs --all` lists those that are.",
  });
}

async function readJobs(transport: Transport, unreadable: Unreadable[]) {
  const { state } = transport;
  return reachBroker(async () => {
    const submissions = readable(await state.list(SUBMISSIONS), decodeSubmission, unreadable);
    const standings = readable(await state.list(STANDINGS), decodeStanding, unreadable);
    const workers = await readWorkers(transport, []);
    const byId = new Map(standings.map((each) => [each.record.id, each]));
    const jobs = submissions
      .map(({ record }) => viewJob(record, byId.get(record.id)?.record ?? null, workers))
      .toSorted((a, b) => (a.submittedAt < b.submittedAt ? -1 : 1));
    return { jobs, ages: new Map(standings.map(({ record, ageMs }) => [record.id, ageMs])) };
  });
}

function readWorkers(transport: Transport, unreadable: Unreadable[]): Promise<readonly Read<WorkerRecord>[]> {
  return reachBroker(async () => readable(await transport.state.list(WORKER_RECORDS), decodeWorkerRecord, unreadable));
}

interface Read<T> {
  readonly record: T;
  readonly ageMs: number;
}

function readable<T>(
  listed: readonly ListedState[],
  decode: (body: Uint8Array) => T,
  unreadable: Unreadable[],
): readonly Read<T>[] {
  return listed.flatMap(({ key, value, ageMs }) => {
    try {
      return { record: decode(value), ageMs };
    } catch (error) {
      if (!isTidingError(error)) throw error;
      unreadable.push({ key, message: error.message, mend: error.mend ?? null });
      return [];
    }
  });
}

/**
 * Who is silent is told by the broker's clock alone: it stamps what it stores, and what it says the time is when asked.
 * So the answer is there at once, needs no watching, and holds though a worker's clock is an hour off.
 */
function stateOf<State extends string>(state: State, ageMs: number): State | "silent" {
  return state !== "left" && ageMs > SILENT_MS ? "silent" : state;
}

function viewJob(
  { id, name, output, wanted, order, submittedAt }: Submission,
  standing: Standing | null,
  workers: readonly Read<WorkerRecord>[],
): SubmittedJob {
  const { job = null, progress = null, report = null } = standing ?? {};
  // A job that is to go on and has not been taken up again.
  const isToGoOn = wanted === "run" && (standing?.order ?? 0) < order && standing?.state !== "running";
  const state = isToGoOn ? "queued" : (standing?.state ?? "queued");
  const rows = progress?.rows ?? report?.rows ?? { accepted: 0, failed: 0, total: null };
  const total = rows.total ?? progress?.estimatedTotal ?? null;
  return {
    id,
    name,
    state,
    wanted,
    output,
    rows,
    done: total === null ? null : total === 0 ? 1 : Math.min(1, (rows.accepted + rows.failed) / total),
    rowsPerSecond: progress?.rowsPerSecond ?? 0,
    workers: workers.filter((worker) => job !== null && worksOn(worker, job)).length,
    submittedAt: new Date(submittedAt).toISOString(),
    waitingFor: progress?.waitingFor ?? standing?.waitingFor ?? null,
    job,
    progress,
    report,
    error: isToGoOn ? null : (standing?.error ?? null),
  };
}

function worksOn({ record, ageMs }: Read<WorkerRecord>, job: string): boolean {
  return ageMs <= SILENT_MS && record.jobs.some((each) => each.job === job && each.state === "working");
}

function viewWorker({ record, ageMs }: Read<WorkerRecord>): WorkerView {
  const { worker, host, pid, startedAt, jobs } = record;
  const working = jobs.filter(({ state }) => state === "working");
  const endpoints = working.flatMap((work) => work.endpoints);
  return {
    worker,
    host,
    pid,
    since: new Date(startedAt).toISOString(),
    state: stateOf(record.state, ageMs),
    silentMs: ageMs,
    jobs: working.length,
    rows: jobs.reduce((sum, work) => sum + work.accepted + work.failed, 0),
    slots: working.reduce((sum, work) => sum + work.slots, 0),
    slotsInUse: endpoints.reduce((sum, { inUse }) => sum + inUse, 0),
    problems: jobs.flatMap(({ job, error }) => (error === null ? [] : [{ job, message: error.message }])),
  };
}
