/** Whether the client kept up with the load it was to make, or what was measured is the client. */
import type { ClientHealth } from "../report/bench-report.ts";

/** What one thread knows of its own time, over a stage. */
export interface ThreadHealth {
  /** Milliseconds; null where nothing was sampled. */
  readonly eventLoopDelayP99Ms: number | null;
  /** Share of the time in which its event loop was neither idle nor only waiting for the next request to be due. */
  readonly utilisation: number;
  /** Time in which it used the CPU to wait with precision, which it would have given up for anything else. */
  readonly turnedMs: number;
}

export interface HealthFindings {
  readonly threads: readonly ThreadHealth[];
  /** Of requests that nothing but the client kept waiting; null where there was none. */
  readonly lateP99Ms: number | null;
  /** Null where it is not known; the limit on lateness is then its least. */
  readonly itlP50Ms: number | null;
  readonly cpuSeconds: number;
  readonly seconds: number;
  readonly cores: number;
  /** Events with tokens. */
  readonly events: number;
  readonly noOpEventsPerSecond: number | null;
  /** Requests that failed for want of ports or file descriptors here. */
  readonly unconnected: number;
}

const LEAST_LATE_MS = 1;
const LATE_SHARE_OF_ITL = 0.05;
const MOST_CPU = 0.8;
/** A ceiling so many times what was measured leaves the client out of the measurement. */
const ROOM = 3;

/** The rule of `research/bench-peers.md`, section 4. What a full house made wait is not the client's and not counted here. */
export function clientHealth(findings: HealthFindings): ClientHealth {
  const { threads, lateP99Ms, itlP50Ms, seconds, noOpEventsPerSecond } = findings;
  const turnedSeconds = threads.reduce((sum, { turnedMs }) => sum + turnedMs, 0) / 1_000;
  const cpuSeconds = Math.max(0, findings.cpuSeconds - turnedSeconds);
  const cpuShare = seconds > 0 ? cpuSeconds / (seconds * findings.cores) : 0;
  const eventsPerSecond = seconds > 0 ? findings.events / seconds : 0;
  const utilisation = Math.max(0, ...threads.map((thread) => thread.utilisation));
  const why: string[] = [];
  const mostLateMs = Math.max(LEAST_LATE_MS, LATE_SHARE_OF_ITL * (itlP50Ms ?? 0));
  if (lateP99Ms !== null && lateP99Ms > mostLateMs) {
    why.push(`The client came to requests up to ${text(lateP99Ms)} ms late (p99), more than ${text(mostLateMs)} ms.`);
  }
  if (cpuShare > MOST_CPU)
    why.push(`The client used ${percent(cpuShare)} of the CPU time there is on ${findings.cores} cores.`);
  if (utilisation > MOST_CPU) {
    why.push(`The event loop of the client's busiest thread was busy for ${percent(utilisation)} of the time.`);
  }
  if (noOpEventsPerSecond !== null && noOpEventsPerSecond < ROOM * eventsPerSecond) {
    why.push(
      `The client takes in ${text(noOpEventsPerSecond)} token events a second at most, less than ${ROOM} times the ` +
        `${text(eventsPerSecond)} that came.`,
    );
  }
  if (findings.unconnected > 0) {
    why.push(`${findings.unconnected} requests failed because the client ran out of ports or file descriptors.`);
  }
  const delays = threads.map((thread) => thread.eventLoopDelayP99Ms).filter((delay) => delay !== null);
  return {
    threads: threads.length,
    lag_p99_ms: lateP99Ms,
    event_loop_delay_p99_ms: delays.length === 0 ? null : Math.max(...delays),
    event_loop_utilisation: utilisation,
    cpu_share: cpuShare,
    no_op_events_per_second: noOpEventsPerSecond,
    events_per_second: eventsPerSecond,
    limited: why.length > 0,
    why,
  };
}

function text(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
