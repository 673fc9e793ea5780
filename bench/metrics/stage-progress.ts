/** What the live view shows of a running stage. */
import type { RequestOutcome } from "../load/request-record.ts";
import type { DistributionTally } from "./distribution.ts";

/** Milliseconds; percentiles are null where `n` does not carry them. */
interface LiveDistribution {
  readonly n: number;
  readonly mean: number | null;
  readonly p50: number | null;
  readonly p99: number | null;
}

/** What a tally can not know, as it sees requests when they have ended. */
export interface LiveCounts {
  readonly elapsedMs: number;
  /** Due so far. */
  readonly scheduled: number;
  readonly sent: number;
  readonly inFlight: number;
  /** Events with tokens so far, of all requests. */
  readonly events: number;
}

/** Plain data, to cross threads. Counts are since the stage's start; distributions are of the requests due in the window. */
export interface StageProgress extends LiveCounts {
  readonly ended: Readonly<Record<RequestOutcome, number>>;
  readonly ttftResponse: LiveDistribution;
  readonly e2eResponse: LiveDistribution;
  readonly itl: LiveDistribution;
}

export function progressOf(
  live: LiveCounts,
  of: {
    ended: Readonly<Record<RequestOutcome, number>>;
    ttft: DistributionTally;
    e2e: DistributionTally;
    itl: DistributionTally;
  },
): StageProgress {
  return {
    ...live,
    ended: { ...of.ended },
    ttftResponse: liveOf(of.ttft),
    e2eResponse: liveOf(of.e2e),
    itl: liveOf(of.itl),
  };
}

/**
 * The progress of a stage from its threads'. Its percentiles are the threads' means weighted by n: good enough to watch, and
 * not what the report says. At least one thread's is needed.
 */
export function sumProgress(threads: readonly StageProgress[]): StageProgress {
  const sum = (pick: (progress: StageProgress) => number) =>
    threads.reduce((total, progress) => total + pick(progress), 0);
  const outcome = (name: RequestOutcome) => sum((progress) => progress.ended[name]);
  const distribution = (pick: (progress: StageProgress) => LiveDistribution) => sumDistributions(threads.map(pick));
  return {
    elapsedMs: Math.max(...threads.map((progress) => progress.elapsedMs)),
    scheduled: sum((progress) => progress.scheduled),
    sent: sum((progress) => progress.sent),
    inFlight: sum((progress) => progress.inFlight),
    events: sum((progress) => progress.events),
    ended: {
      ok: outcome("ok"),
      error: outcome("error"),
      incomplete: outcome("incomplete"),
      "never-sent": outcome("never-sent"),
    },
    ttftResponse: distribution((progress) => progress.ttftResponse),
    e2eResponse: distribution((progress) => progress.e2eResponse),
    itl: distribution((progress) => progress.itl),
  };
}

function liveOf(tally: DistributionTally): LiveDistribution {
  return { n: tally.n, mean: tally.mean, p50: tally.p50(), p99: tally.p99() };
}

function sumDistributions(parts: readonly LiveDistribution[]): LiveDistribution {
  const weighted = (pick: (part: LiveDistribution) => number | null): number | null => {
    const known = parts.filter((part) => pick(part) !== null);
    const n = known.reduce((total, part) => total + part.n, 0);
    return n === 0 ? null : known.reduce((total, part) => total + pick(part)! * part.n, 0) / n;
  };
  return {
    n: parts.reduce((total, part) => total + part.n, 0),
    mean: weighted((part) => part.mean),
    p50: weighted((part) => part.p50),
    p99: weighted((part) => part.p99),
  };
}
