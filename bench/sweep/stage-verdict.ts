/** What a sweep reads from the report of a stage: was the rate kept up, and did it meet the SLO. */
import type { SloLimits, StageReport } from "../report/bench-report.ts";

/** A server that sheds load has no queue that grows; beyond this share of refusals it did not keep up either. */
const MOST_REFUSED = 0.01;
/** Where a timeline was too short for a slope: answers a second over requests due a second. */
const LEAST_ANSWERED = 0.9;

/** Why the rate was not kept up, to follow its name in a sentence; null where it was. */
export function whyNotKeptUp({ over_saturated, counts, throughput }: StageReport): string | null {
  if (over_saturated === true) return "the queue grew for as long as requests came";
  const refused = counts.errors + counts.never_sent;
  if (refused > MOST_REFUSED * counts.scheduled) {
    return `${refused} of ${counts.scheduled} requests failed or were never sent`;
  }
  if (over_saturated === null && throughput.req_s < LEAST_ANSWERED * throughput.offered_req_s) {
    return `${throughput.req_s.toPrecision(3)} answers a second came to ${throughput.offered_req_s.toPrecision(3)} requests`;
  }
  return null;
}

/** Limits that are met while the queue grows are met for a moment only, and do not count. */
export function stageMeetsSlo(report: StageReport, slo: SloLimits): boolean {
  return report.over_saturated !== true && report.slo !== null && report.slo.attainment >= slo.attainment;
}
