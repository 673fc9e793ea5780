import { Command } from "commander";
import { addBrokerOptions, type BrokerFlags } from "../broker-options.ts";
import { CoordinatorLog } from "../coordinator-log.ts";
import { EXIT, type ExitCode, type Finish } from "../exit-codes.ts";
import { helpEnd, SERVING_EXIT_CODES_HELP } from "../help.ts";
import { addMetricsOption, serveProgress, type MetricsFlag } from "../metrics-option.ts";
import { watchLeaving } from "../interrupts.ts";
import { positiveNumber } from "../options.ts";
import { addStreamOptions, streamSettings, type StreamFlags } from "../stream-options.ts";
import type { JobProgress } from "../../shared/observe/job-report.ts";
import type { CliContext } from "../terminal.ts";
import { writeLines } from "../terminal.ts";
import { plain } from "../text.ts";
import { requiredBroker } from "../with-broker.ts";

interface CoordinatorFlags extends BrokerFlags, StreamFlags, MetricsFlag {
  readonly maxJobs?: number;
  readonly quiet?: true;
}

/** `tiding coordinator`: runs the jobs that are submitted to a broker. */
export function coordinatorCommand(context: CliContext, finish: Finish): Command {
  const command = addBrokerOptions(new Command("coordinator"), "the broker to serve, e.g. nats://host:4222");
  return addMetricsOption(addStreamOptions(command))
    .summary("run the jobs that are submitted to a broker")
    .description(
      "Takes the jobs that `tiding submit` gives it: reads their input, hands rows to the workers, writes their datasets. " +
        "It must see the input and output of its jobs, and needs no key of an endpoint. One coordinator is at work at a " +
        "time; another stands by and takes over. After a crash, or a restart, it finds its jobs again; a broker that is away is " +
        "waited for. Ctrl-C (or SIGTERM) " +
        "lets running rows finish within their job's grace and leaves the jobs queued; a second Ctrl-C stops now.",
    )
    .option("--max-jobs <jobs>", "most jobs that run at a time; 8 if absent", positiveNumber)
    .option("-q, --quiet", "say nothing of jobs")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding coordinator --broker nats://10.0.0.1:4222", does: "serve until Ctrl-C" },
          {
            command: "tiding coordinator --broker tls://broker:4222 --broker-creds coordinator.creds --max-jobs 2",
            does: "with credentials, and two jobs at a time",
          },
          {
            command: "tiding coordinator --broker nats://10.0.0.1:4222 --results-budget 4GiB --replicas 3",
            does: "with more room at the broker, and three copies of all it holds",
          },
        ],
        exitCodes: SERVING_EXIT_CODES_HELP,
        next: "Next: `tiding worker --broker URL` on any machine, then `tiding submit job.yaml --broker URL`.",
      }),
    )
    .action(async (flags: CoordinatorFlags) => {
      finish(await serve(context, flags));
    });
}

async function serve(context: CliContext, { maxJobs, quiet, ...flags }: CoordinatorFlags): Promise<ExitCode> {
  const { stderr, environment } = context;
  const broker = await requiredBroker(context, flags);
  const streams = streamSettings(flags);
  const say = (text: string): void => writeLines(stderr, [plain(text)]);
  const log = new CoordinatorLog(say);
  const { coordinate } = await import("../../jobs/coordinate.ts");
  using interrupts = watchLeaving(context);
  const running = new Map<string, JobProgress>();
  let trouble: string | null = null;
  await using _metrics = await serveProgress(flags, running, () => trouble);
  await coordinate({
    broker: streams === null ? broker : { ...broker, streams },
    environment,
    drain: interrupts.drain,
    stop: interrupts.stop,
    ...(maxJobs === undefined ? {} : { maxJobs }),
    onStanding: (standing, name) => {
      if (standing.progress === null) running.delete(standing.id);
      else running.set(standing.id, standing.progress);
      if (quiet !== true) log.show(standing, name);
    },
    onTrouble: (now) => (trouble = now),
    ...(quiet === true ? {} : { onNotice: say }),
  });
  say("Left; jobs that have not ended wait for the next coordinator.");
  return EXIT.accepted;
}
