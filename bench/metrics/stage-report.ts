/** The report of one stage from its tally. */
import type { StageLoad } from "../load/stage-load.ts";
import type { ClientHealth, ServerDeltas, StageReport } from "../report/bench-report.ts";
import { judgeSaturation } from "./over-saturation.ts";
import type { StageTally } from "./stage-tally.ts";

/** Of a stage whose window is closed, judged for over-saturation. Throws a RangeError while the window is open. */
export function reportStage(input: {
  load: StageLoad;
  tally: StageTally;
  startedAt: Date;
  client: ClientHealth;
  server: ServerDeltas | null;
}): StageReport {
  const { load, tally } = input;
  const { startMs, endMs } = tally.window;
  const seconds = (endMs - startMs) / 1000;
  if (!Number.isFinite(seconds)) throw new RangeError(`The window of the stage ${load.name} was not closed.`);
  const { outcomes, good, byError, finishReasons, tokenSources } = tally.due;
  const scheduled = outcomes.ok + outcomes.error + outcomes.incomplete + outcomes["never-sent"];
  const { sums } = tally;
  const metrics = tally.metrics();
  const timeline = tally.timeline();
  const perSecond = (amount: number): number => (seconds > 0 ? Math.max(0, amount) / seconds : 0);
  const completedPerSecond = perSecond(sums.completed);
  const concurrency = perSecond(sums.flightMs / 1000);
  const littles = (completedPerSecond * (metrics.e2e_service.mean ?? 0)) / 1000;
  return {
    name: load.name,
    load: describeLoad(load),
    window: { start_ms: startMs, end_ms: endMs },
    started_at: input.startedAt.toISOString(),
    counts: {
      scheduled,
      ok: outcomes.ok,
      errors: outcomes.error,
      incomplete: outcomes.incomplete,
      never_sent: outcomes["never-sent"],
      by_error: { ...byError },
      finish_reasons: { ...finishReasons },
      token_sources: { ...tokenSources },
    },
    throughput: {
      offered_req_s: perSecond(scheduled),
      req_s: completedPerSecond,
      out_tok_s: perSecond(sums.outputTokens),
      out_tok_s_done: perSecond(sums.completedTokens),
      in_tok_s: perSecond(sums.promptTokens),
      concurrency,
      little: littles > 0 ? concurrency / littles : null,
      error_rate: scheduled === 0 ? 0 : outcomes.error / scheduled,
    },
    slo: tally.hasSlo ? { goodput_req_s: perSecond(good), attainment: scheduled === 0 ? 0 : good / scheduled } : null,
    metrics,
    client: input.client,
    server: input.server,
    timeline,
    over_saturated: judgeSaturation(timeline, load.arrivals.kind, { rampSeconds: load.rampSeconds }).overSaturated,
  };
}

function describeLoad({ arrivals, ...load }: StageLoad): StageReport["load"] {
  return {
    kind: arrivals.kind,
    concurrency: arrivals.kind === "closed" ? arrivals.concurrency : null,
    rate: arrivals.kind === "constant" || arrivals.kind === "poisson" ? arrivals.rate : null,
    seconds: load.seconds,
    requests: load.requests,
    warm_up_seconds: load.warmUpSeconds,
    cool_down_seconds: load.coolDownSeconds,
    ramp_seconds: load.rampSeconds,
    max_in_flight: load.maxInFlight,
    seed: load.seed,
  };
}
