import { InvalidArgumentError, type Command } from "commander";
import type { MetricsAddress } from "../jobs/serve-metrics.ts";
import type { JobProgress } from "../shared/observe/job-report.ts";

export interface MetricsFlag {
  readonly metrics?: MetricsAddress;
}

/** Adds `--metrics`. */
export function addMetricsOption(command: Command): Command {
  return command.option(
    "--metrics <[host:]port>",
    "serve /metrics for Prometheus, and /health; on 127.0.0.1 alone without a host",
    address,
  );
}

/** Serves what `jobs` holds at each scrape, by the jobs' names, and what is the `trouble` then; nothing without the flag. */
export async function serveProgress(
  { metrics }: MetricsFlag,
  jobs: ReadonlyMap<string, JobProgress>,
  trouble: () => string | null = () => null,
): Promise<AsyncDisposable | null> {
  if (metrics === undefined) return null;
  const { sampleOf, serveMetrics } = await import("../jobs/serve-metrics.ts");
  const sample = (): ReturnType<typeof sampleOf>[] => [...jobs].map(([name, progress]) => sampleOf(name, progress));
  return serveMetrics({ ...metrics, sample, trouble });
}

function address(text: string): MetricsAddress {
  const match = /^(?:(.+):)?(\d+)$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) throw new InvalidArgumentError("Expected a port, or host:port.");
  return { host: match[1] ?? "127.0.0.1", port };
}
