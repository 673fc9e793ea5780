import type { Forecast } from "./forecast.ts";
import type { JobTargets } from "./job-targets.ts";
import type { BenchedLengths } from "./lengths-from-benches.ts";
import type { PaidSample } from "./paid-sample.ts";
import type { EndpointBasis } from "./plan-basis.ts";
import type { RowUse } from "./sample-use.ts";

/** What a plan's document is written from, besides what the job's input tells. */
export interface Foreseen {
  readonly forecast: Forecast;
  readonly targets: JobTargets;
  readonly bases: readonly EndpointBasis[];
  readonly sample: PaidSample | null;
  readonly uses: readonly RowUse[];
  readonly lengths: BenchedLengths;
  /** Steps that rendering could not follow. */
  readonly cutShort: readonly string[];
}
