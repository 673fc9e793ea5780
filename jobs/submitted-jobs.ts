/**
 * The jobs of the coordinator at work, as an actor: it alone owns what is known of them, and takes one message at a time.
 *
 *   submissions ──watched──► what is wanted ─┐
 *   runs ──────ended───────► what became ────┼──► next move ──► runs, standings
 *   each second ───────────► progress ───────┘
 */
import { errorRecord } from "./job-report.ts";
import { nextMove } from "./next-move.ts";
import { OwnRecord } from "./own-record.ts";
import { SubmittedRun, type RunEnding } from "./submitted-run.ts";
import type { EngineSettings } from "./engine-settings.ts";
import { withdrawJob } from "./withdraw-job.ts";
import { isTidingError, type ErrorCode } from "../shared/errors.ts";
import {
  decodeStanding,
  encodeStanding,
  STANDINGS,
  standingKey,
  type Standing,
} from "../shared/protocol/standing-record.ts";
import { decodeSubmission, SUBMISSIONS, type Submission } from "../shared/protocol/submission-record.ts";
import { PROTOCOL_VERSION } from "../shared/protocol/version.ts";
import type { Transport, VersionedState } from "../shared/transport/transport.ts";

const LOOK_MS = 1_000;
/** How long after a refusal by another owner of the output the job is tried again. */
const AGAIN_MS = 5_000;
/** Somebody else has the output: its turn comes when they let go. */
const IN_OTHER_HANDS: readonly ErrorCode[] = ["OUTPUT_IN_USE", "OWNERSHIP_LOST"];

export interface SubmittedJobsOptions {
  readonly transport: Transport;
  readonly coordinator: string;
  /** The version of the coordinator's lease. */
  readonly epoch: number;
  readonly maxJobs: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly settings: EngineSettings | undefined;
  /** Gives up standings that cannot be written. */
  readonly givesUp: AbortSignal;
  /** A standing changed, or its progress did. */
  readonly onStanding: (standing: Standing, name: string) => void;
  readonly onNotice: (notice: string) => void;
  readonly onFault: (error: unknown) => void;
}

type Message =
  | { readonly type: "submitted"; readonly state: VersionedState }
  | { readonly type: "ended"; readonly id: string; readonly ending: RunEnding }
  | { readonly type: "withdrawn"; readonly id: string; readonly as: "paused" | "cancelled" }
  | { readonly type: "look" }
  | { readonly type: "leave" };

interface Entry {
  submission: Submission;
  standing: Standing | null;
  readonly record: OwnRecord;
  run: SubmittedRun | null;
  hasRun: boolean;
  /** Workers are being told that it is not to be gone on with. */
  isWithdrawing: boolean;
  notBeforeMs: number;
}

export class SubmittedJobs {
  epoch: number;
  readonly #options: SubmittedJobsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #known: ReadonlyMap<string, Standing>;
  readonly #closed = new AbortController();
  readonly #look: NodeJS.Timeout;
  readonly #watching: Promise<void>;
  readonly #underway = new Set<Promise<void>>();
  /** Ends the patience with a broker that is away. */
  readonly #leaving = new AbortController();

  private constructor(options: SubmittedJobsOptions, known: ReadonlyMap<string, Standing>) {
    this.#options = options;
    this.epoch = options.epoch;
    this.#known = known;
    this.#look = setInterval(() => this.#take({ type: "look" }), LOOK_MS);
    this.#watching = this.#watch();
  }

  /** Takes up what an earlier coordinator left. Throws as the state store does. */
  static async open(options: SubmittedJobsOptions): Promise<SubmittedJobs> {
    const known = new Map<string, Standing>();
    for (const { key, value } of await options.transport.state.list(STANDINGS)) {
      try {
        const standing = decodeStanding(value);
        known.set(standing.id, standing);
      } catch (error) {
        if (!isTidingError(error)) throw error;
        options.onNotice(`${key}: ${error.message} ${error.mend ?? ""}`);
      }
    }
    return new SubmittedJobs(options, known);
  }

  get running(): number {
    return this.#runs().length;
  }

  /** Drains every job; they stay queued for the next coordinator. Aborting `now` ends the grace of those that run. */
  async leave(now: AbortSignal): Promise<void> {
    this.#take({ type: "leave" });
    const stop = (): void => {
      for (const run of this.#runs()) run.stop();
    };
    if (now.aborted) stop();
    now.addEventListener("abort", stop, { once: true });
    while (this.#underway.size > 0) await Promise.all(this.#underway);
    now.removeEventListener("abort", stop);
    clearInterval(this.#look);
    this.#closed.abort();
    await this.#watching;
  }

  /** Resolves when the standings are stored, or given up. */
  async settled(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ record }) => record.settled()));
  }

  async #watch(): Promise<void> {
    const { transport, onFault } = this.#options;
    try {
      for await (const state of transport.state.watch(SUBMISSIONS, this.#closed.signal))
        this.#take({ type: "submitted", state });
    } catch (error) {
      if (!this.#closed.signal.aborted) onFault(error);
    }
  }

  #take(message: Message): void {
    switch (message.type) {
      case "submitted":
        return this.#submitted(message.state);
      case "ended":
        return this.#ended(message.id, message.ending);
      case "withdrawn":
        return this.#withdrawn(message.id, message.as);
      case "look":
        for (const entry of this.#entries.values()) if (entry.run !== null) this.#tellProgress(entry, entry.run);
        return this.#moveAll();
      case "leave":
        this.#leaving.abort();
        for (const run of this.#runs()) run.drain();
        return;
    }
  }

  #submitted({ key, value }: VersionedState): void {
    try {
      const submission = decodeSubmission(value);
      const known = this.#entries.get(submission.id);
      if (known === undefined) this.#entries.set(submission.id, this.#newEntry(submission));
      else known.submission = submission;
      this.#moveAll();
    } catch (error) {
      if (!isTidingError(error)) throw error;
      this.#options.onNotice(`${key.slice(SUBMISSIONS.length)}: ${error.message} ${error.mend ?? ""}`);
    }
  }

  #newEntry(submission: Submission): Entry {
    const { transport, givesUp, onFault } = this.#options;
    const standing = this.#known.get(submission.id) ?? null;
    const record = new OwnRecord({
      state: transport.state,
      key: standingKey(submission.id),
      mayReplace: (present) => this.#isOlder(present),
      givesUp,
      onFault,
    });
    return { submission, standing, record, run: null, hasRun: false, isWithdrawing: false, notBeforeMs: 0 };
  }

  /** A coordinator that slept and woke must not tell of jobs that are its successor's. */
  #isOlder(present: Uint8Array): boolean {
    try {
      return decodeStanding(present).epoch <= this.epoch;
    } catch (error) {
      if (!isTidingError(error)) throw error;
      return true;
    }
  }

  #ended(id: string, ending: RunEnding): void {
    const entry = this.#entry(id);
    const job = entry.run?.job ?? entry.standing?.job ?? null;
    entry.run = null;
    const report = ending.kind === "reported" ? ending.report : (entry.standing?.report ?? null);
    const facts = { job: ending.kind === "reported" ? ending.report.job : job, report, progress: null };
    const error =
      ending.kind === "failed" ? errorRecord(ending.error) : ending.kind === "reported" ? ending.report.error : null;
    if (error !== null && IN_OTHER_HANDS.includes(error.code)) {
      entry.notBeforeMs = performance.now() + AGAIN_MS;
      this.#tell(entry, { ...facts, state: "queued", waitingFor: error.message });
    } else if (error !== null) this.#answer(entry, { ...facts, state: "stopped", error });
    else if (
      ending.kind === "reported" &&
      ending.report.outcome !== "interrupted" &&
      ending.report.outcome !== "parked" &&
      ending.report.outcome !== "stopped"
    )
      this.#answer(entry, { ...facts, state: ending.report.outcome });
    // Interrupted: what comes of it is what is wanted now.
    else this.#note(entry, facts);
    this.#moveAll();
  }

  /** Those that came first begin first. */
  #moveAll(): void {
    const entries = [...this.#entries.values()];
    for (const entry of entries.toSorted((a, b) => a.submission.submittedAt - b.submission.submittedAt))
      this.#move(entry);
  }

  #move(entry: Entry): void {
    const { submission, standing, run, isWithdrawing } = entry;
    if (isWithdrawing) return;
    switch (nextMove(submission, { standing, run: run?.asked ?? null })) {
      case "nothing":
        return;
      case "start":
        return this.#start(entry);
      case "drain":
        return run?.drain();
      case "stop":
        return run?.stop();
      case "pause":
        return this.#withdraw(entry, "paused");
      case "cancel":
        return this.#withdraw(entry, "cancelled");
    }
  }

  #start(entry: Entry): void {
    const { maxJobs, transport, environment, settings, onNotice } = this.#options;
    const { id } = entry.submission;
    if (this.#leaving.signal.aborted) return this.#queue(entry, null);
    if (performance.now() < entry.notBeforeMs) return;
    if (this.running >= maxJobs) return this.#queue(entry, `${maxJobs} other jobs run, and no more may.`);
    const run = new SubmittedRun(entry.submission, {
      transport,
      environment,
      settings,
      onNotice: (notice) => onNotice(`${id}: ${notice}`),
    });
    entry.run = run;
    entry.hasRun = true;
    this.#answer(entry, { state: "running" });
    this.#watchOver(run.ended.then((ending) => this.#take({ type: "ended", id, ending })));
  }

  #queue(entry: Entry, waitingFor: string | null): void {
    const { standing } = entry;
    if (standing?.state === "queued" && standing.waitingFor === waitingFor) return;
    this.#tell(entry, { state: "queued", waitingFor, progress: null });
  }

  #withdraw(entry: Entry, as: "paused" | "cancelled"): void {
    const { id, output } = entry.submission;
    const { transport, onNotice } = this.#options;
    entry.isWithdrawing = true;
    const withdrawn = withdrawJob(transport, {
      output,
      state: as === "paused" ? "paused" : "over",
      // What a coordinator that died left running goes on at the workers until they are told.
      isOrphan: entry.standing?.state === "running" && !entry.hasRun,
      givesUp: this.#leaving.signal,
    }).catch((error: unknown) => {
      if (!isTidingError(error)) throw error;
      onNotice(`${id}: ${error.message} ${error.mend ?? ""}`);
    });
    this.#watchOver(withdrawn.then(() => this.#take({ type: "withdrawn", id, as })));
  }

  #withdrawn(id: string, as: "paused" | "cancelled"): void {
    const entry = this.#entry(id);
    entry.isWithdrawing = false;
    const { wanted } = entry.submission;
    // A newer order may have come meanwhile.
    if (wanted === "run" || (wanted === "pause") !== (as === "paused")) this.#move(entry);
    else this.#answer(entry, { state: as });
  }

  #tellProgress(entry: Entry, run: SubmittedRun): void {
    const { progress, job, waitingFor } = run;
    this.#tell(entry, { progress, waitingFor, job: job ?? entry.standing?.job ?? null });
  }

  /** What the newest order led to. */
  #answer(entry: Entry, facts: Partial<Standing>): void {
    this.#tell(entry, { waitingFor: null, error: null, progress: null, ...facts, order: entry.submission.order });
  }

  #note(entry: Entry, facts: Partial<Standing>): void {
    const { submission, standing } = entry;
    const before = standing ?? {
      state: "queued",
      order: 0,
      job: null,
      waitingFor: null,
      progress: null,
      report: null,
      error: null,
    };
    const { coordinator } = this.#options;
    entry.standing = {
      ...before,
      ...facts,
      version: PROTOCOL_VERSION,
      id: submission.id,
      coordinator,
      epoch: this.epoch,
    };
  }

  #tell(entry: Entry, facts: Partial<Standing>): void {
    this.#note(entry, facts);
    if (entry.standing === null) return;
    entry.record.set(encodeStanding(entry.standing));
    this.#options.onStanding(entry.standing, entry.submission.name);
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new Error(`No submission ${id} is known.`);
    return entry;
  }

  #runs(): readonly SubmittedRun[] {
    return [...this.#entries.values()].flatMap(({ run }) => run ?? []);
  }

  #watchOver(work: Promise<void>): void {
    const watched = work
      .catch((error: unknown) => {
        // What could not be told to a broker that is away is the next coordinator's to tell.
        if (!this.#leaving.signal.aborted) this.#options.onFault(error);
      })
      .finally(() => this.#underway.delete(watched));
    this.#underway.add(watched);
  }
}
