import type { Manifest } from "../coordinator/output/manifest.ts";
import type { JobKey } from "../shared/transport/transport.ts";

/** The job's name in the transport; each retry round has a log of its own. */
export function jobKey({ job, retry }: Pick<Manifest, "job" | "retry">): JobKey {
  return retry === null ? job.id : `${job.id}-r${retry.round}`;
}
