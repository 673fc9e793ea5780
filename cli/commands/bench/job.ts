import { resolve } from "node:path";
import { Command } from "commander";
import type { JobBenchHooks } from "../../../bench/job/run-job-bench.ts";
import { TidingError } from "../../../shared/errors.ts";
import type { ExitCode, Finish } from "../../exit-codes.ts";
import { EXIT } from "../../exit-codes.ts";
import { helpEnd } from "../../help.ts";
import { watchInterrupts } from "../../interrupts.ts";
import { addSetOption, positiveNumber } from "../../options.ts";
import type { CliContext } from "../../terminal.ts";
import { lookOf, writeJson, writeLines } from "../../terminal.ts";
import { plain } from "../../text.ts";

interface JobBenchFlags {
  readonly set?: readonly string[];
  readonly rows?: number;
  readonly seconds: number;
  readonly repeats: number;
  readonly scale?: true;
  readonly killWorker?: true;
  /** False for `--no-replacement`. */
  readonly replacement: boolean;
  readonly out?: string;
  readonly json?: true;
  readonly quiet?: true;
}

/** `tiding bench job`: how close a job comes to what its endpoints can do. */
export function benchJobCommand(context: CliContext, finish: Finish): Command {
  return addSetOption(new Command("job"), "change a key of the spec for the benchmark")
    .summary("measure a whole job against a bare loop of the same requests")
    .description(
      "Runs a job for real over the first rows of its input, in turns with a bare loop that sends the very same requests " +
        "to the same endpoints, and says how close the job comes: accepted rows/s and tokens/s, utilisation of the slots, " +
        "ramp, tail, waste, and the engine's overhead. The job's own output is not touched: what is generated is thrown " +
        "away. EVERY RUN IS PAID FOR: there are 1 + 2 × repeats, after a few trial rows where --rows is not given; " +
        "what will be sent is said before it is.",
    )
    .argument("<job>", "the job spec, as for `tiding run`")
    .option("-n, --rows <rows>", "rows of each run; as many as take --seconds when absent", positiveNumber)
    .option("--seconds <seconds>", "how long a run is to take, where --rows does not say", positiveNumber, 60)
    .option(
      "--repeats <pairs>",
      "pairs of job and bare loop; the report gives their median and spread",
      positiveNumber,
      3,
    )
    .option("--scale", "also run on the first endpoint alone, and say how the endpoints add up")
    .option("--kill-worker", "one more run over NATS with two workers, of which one is killed in the middle")
    .option("--no-replacement", "with --kill-worker: start no other worker in its place")
    .option("-o, --out <folder>", "write job-report.html and job-report.json there")
    .option("--json", "print the report as one JSON document on standard output")
    .option("-q, --quiet", "say nothing of single runs; what will be paid for, and the result, stay")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding bench job job.yaml --rows 500", does: "7 runs of 500 rows: 3,500 rows are paid for" },
          {
            command: "tiding bench job job.yaml --repeats 1 --seconds 20",
            does: "a quick look: 3 runs of about 20 seconds",
          },
          {
            command: "tiding bench job job.yaml -s steps.0.llm.slots=128 --out bench/128",
            does: "with other slots, kept to be compared",
          },
          {
            command: "tiding bench job job.yaml --scale --kill-worker",
            does: "whether endpoints add up, and what a worker's death costs",
          },
        ],
        exitCodes: `Exit codes:
  0    measured
  1    a run stopped because of an error
  2    the command or the spec is wrong, or such a job cannot be measured; nothing was started
  130  interrupted`,
        next: "Next: docs/bench-job.md says what each figure means. `tiding bench URL` measures an endpoint.",
      }),
    )
    .action(async (job: string, flags: JobBenchFlags) => {
      finish(await benchJob(context, job, flags));
    });
}

async function benchJob(context: CliContext, job: string, flags: JobBenchFlags): Promise<ExitCode> {
  const { stdout, stderr, environment, signals } = context;
  if (!flags.replacement && flags.killWorker !== true) {
    throw new TidingError("USAGE", "--no-replacement says what follows a kill, and no worker is killed.", {
      place: "--no-replacement",
      mend: "Add --kill-worker.",
    });
  }
  const out = flags.out === undefined ? null : resolve(flags.out);
  // Before anything is paid for.
  const { makeReportFolder, writeJobReport } = await import("../../../bench/job/write-job-report.ts");
  if (out !== null) await makeReportFolder(out);
  const stop = new AbortController();
  using _interrupts = watchInterrupts(signals, (step) => {
    if (step === "drain") writeLines(stderr, ["Stopping; what was measured is thrown away."]);
    stop.abort();
  });
  const { runJobBench } = await import("../../../bench/job/run-job-bench.ts");
  const view = await import("../../job-bench-view.ts");
  const tell = (lines: readonly string[]): void => writeLines(stderr, lines);
  const hooks: JobBenchHooks = {
    onPlan: (plan) => tell(view.planLines(plan)),
    ...(flags.quiet === true
      ? {}
      : {
          onRun: (run) => tell(view.beginLines(run)),
          onNotice: (notice) => tell([plain(notice)]),
          onRunEnd: (run) => tell(view.runLines(run, lookOf(stderr, environment))),
        }),
  };
  const report = await runJobBench(
    {
      file: job,
      overrides: flags.set ?? [],
      environment,
      rows: flags.rows ?? null,
      seconds: flags.seconds,
      repeats: flags.repeats,
      scale: flags.scale ?? false,
      killWorker: flags.killWorker === true ? { replace: flags.replacement } : null,
      signal: stop.signal,
    },
    hooks,
  );
  if (out !== null) tell((await writeJobReport(out, report)).map((file) => `Written: ${file}`));
  if (flags.json) writeJson(stdout, report);
  else writeLines(stdout, view.renderJobBench(report, lookOf(stdout, environment)));
  return EXIT.accepted;
}
