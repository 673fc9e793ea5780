import type { Command } from "commander";
import type { JobBroker } from "../jobs/engine.ts";
import type { ProvisionOptions } from "../jobs/open-broker.ts";
import type { JobProgress, JobReport } from "../shared/observe/job-report.ts";
import { addBrokerOptions, brokerOption, brokerOptions, type BrokerFlags } from "./broker-options.ts";
import type { ExitCode } from "./exit-codes.ts";
import { followJob, type FollowedJob } from "./follow-job.ts";
import { addMetricsOption, serveProgress, type MetricsFlag } from "./metrics-option.ts";
import { addStreamOptions, streamSettings, type StreamFlags } from "./stream-options.ts";
import type { CliContext, Environment } from "./terminal.ts";
import { brokerWords } from "./with-broker.ts";

export interface RunFlags extends BrokerFlags, StreamFlags, MetricsFlag {
  readonly json?: true;
  readonly quiet?: true;
  /** False for `--no-work`. */
  readonly work: boolean;
}

/** Adds what says over what rows are run, and how that is shown. */
export function addRunOptions(command: Command): Command {
  const what = "run it over NATS, with workers elsewhere: nats://host:4222, or nats:spawn";
  return addMetricsOption(addStreamOptions(addBrokerOptions(command, what)))
    .addOption(brokerOption("--no-work", "leave the rows to workers elsewhere"))
    .option("--json", "print the report as one JSON document on standard output")
    .option("-q, --quiet", "no progress and no notices; the summary stays");
}

/** What has to be added to a command for it to go on over the same broker. */
export function runWords(flags: RunFlags): string {
  return `${brokerWords(flags)}${flags.work ? "" : " --no-work"}`;
}

/**
 * Runs rows in front of a reader, over the broker that the flags or the environment name, if any, and with metrics where
 * they are asked for. Throws what `start` throws, as `openJobBroker` does, and `USAGE` for flags that want a broker.
 */
export async function followRun(
  context: CliContext,
  flags: RunFlags,
  job: {
    readonly name: string;
    /** The command that carries on after an interruption. */
    readonly resume: string;
    readonly start: (options: FollowedJob & { readonly broker?: JobBroker }) => Promise<JobReport>;
  },
): Promise<ExitCode> {
  const { name, resume, start } = job;
  const broker = await runBroker(flags, context.environment);
  return followJob(
    context,
    async (followed) => {
      const latest = new Map<string, JobProgress>();
      await using _metrics = await serveProgress(flags, latest);
      const onProgress = (progress: JobProgress): void => {
        latest.set(name, progress);
        followed.onProgress(progress);
      };
      const options = { ...followed, onProgress };
      if (broker === null) return await start(options);
      const { openJobBroker } = await import("../jobs/open-broker.ts");
      await using opened = await openJobBroker(broker, { ...options, works: flags.work });
      return await start({ ...options, broker: opened.broker });
    },
    { name, resume, json: flags.json ?? false, quiet: flags.quiet ?? false },
  );
}

async function runBroker(flags: RunFlags, environment: Environment): Promise<ProvisionOptions | null> {
  const broker = await brokerOptions(flags, environment);
  const streams = streamSettings(flags);
  return broker === null || streams === null ? broker : { ...broker, streams };
}
