/** From what was measured of one run to its entry in the report. */
import type { JobBenchRun } from "./job-bench-report.ts";
import type { JobOutcome, WorkedSpan } from "./job-child.ts";
import { wasteOf } from "./job-figures.ts";
import type { TraceFigures } from "./measure-trace.ts";
import type { PlannedRun } from "./plan-runs.ts";
import type { ServerCounts } from "./server-side.ts";

export function runRecord(measured: {
  readonly run: PlannedRun;
  readonly startedAt: Date;
  readonly span: WorkedSpan;
  readonly traced: TraceFigures;
  readonly slots: number;
  readonly server: ServerCounts;
  /** Null for a bare loop. */
  readonly job: Pick<JobOutcome, "report" | "acceptedTokens"> | null;
}): JobBenchRun {
  const { run, span, traced, job } = measured;
  const perSecond = (count: number): number => (traced.wallMs > 0 ? (count * 1_000) / traced.wallMs : 0);
  // A server that counts no tokens has none that could be wasted.
  const accepted = traced.outputTokens === 0 ? null : (job?.acceptedTokens ?? null);
  return {
    kind: run.kind,
    pair: run.pair,
    started_at: measured.startedAt.toISOString(),
    slots: measured.slots,
    rows: job === null ? null : { accepted: job.report.rows.accepted, failed: job.report.rows.failed },
    requests: traced.requests,
    answers: traced.answers,
    refused: traced.refused,
    errors: traced.errors,
    prompt_tokens: traced.promptTokens,
    output_tokens: traced.outputTokens,
    accepted_output_tokens: accepted,
    answers_without_tokens: traced.withoutTokens,
    wall_ms: traced.wallMs,
    prepare_ms: traced.prepareMs,
    ramp_ms: traced.rampMs,
    drain_ms: traced.drainMs,
    finish_ms: traced.finishMs,
    tail_fraction: traced.tailFraction,
    utilisation: traced.utilisation,
    dispatch_utilisation: traced.dispatchUtilisation,
    peak_in_flight: traced.peak,
    rows_s: job === null ? null : perSecond(job.report.rows.accepted),
    answers_s: perSecond(traced.answers),
    steady_answers_s: traced.steadyAnswersPerSecond,
    tok_s: perSecond(traced.outputTokens),
    tok_s_accepted: accepted === null ? null : perSecond(accepted),
    waste: wasteOf(traced.outputTokens, accepted),
    cpu_ms: span.cpuMs,
    cpu_us_per_answer: traced.answers === 0 ? null : (span.cpuMs * 1_000) / traced.answers,
    recording_ms: span.recordingMs,
    peak_rss_bytes: span.peakRssBytes,
    server_output_tokens: measured.server.outputTokens,
    prefix_cache_hit_rate: measured.server.prefixCacheHitRate,
    timeline: { step_ms: traced.timeline.stepMs, in_flight: [...traced.timeline.inFlight] },
  };
}
