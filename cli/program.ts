import { readFileSync } from "node:fs";
import { Command } from "commander";
import { batchCommand } from "./commands/batch.ts";
import { benchCommand } from "./commands/bench.ts";
import { cancelCommand } from "./commands/cancel.ts";
import { coordinatorCommand } from "./commands/coordinator.ts";
import { endpointsCommand } from "./commands/endpoints.ts";
import { initCommand } from "./commands/init.ts";
import { jobsCommand } from "./commands/jobs.ts";
import { pauseCommand } from "./commands/pause.ts";
import { planCommand } from "./commands/plan.ts";
import { previewCommand } from "./commands/preview.ts";
import { probeCommand } from "./commands/probe.ts";
import { resumeCommand } from "./commands/resume.ts";
import { retryCommand } from "./commands/retry.ts";
import { runCommand } from "./commands/run.ts";
import { schemaCommand } from "./commands/schema.ts";
import { simulateCommand } from "./commands/simulate.ts";
import { statusCommand } from "./commands/status.ts";
import { submitCommand } from "./commands/submit.ts";
import { tasksCommand } from "./commands/tasks.ts";
import { workerCommand } from "./commands/worker.ts";
import { workersCommand } from "./commands/workers.ts";
import type { Finish } from "./exit-codes.ts";
import { EXIT_CODES_HELP, helpEnd } from "./help.ts";
import type { CliContext } from "./terminal.ts";
import { isLive, lookOf } from "./terminal.ts";

const commands = [
  runCommand,
  previewCommand,
  planCommand,
  statusCommand,
  retryCommand,
  batchCommand,
  coordinatorCommand,
  workerCommand,
  submitCommand,
  jobsCommand,
  pauseCommand,
  resumeCommand,
  cancelCommand,
  workersCommand,
  initCommand,
  tasksCommand,
  probeCommand,
  benchCommand,
  endpointsCommand,
  schemaCommand,
  simulateCommand,
];

/** The whole command line. Parsing throws `CommanderError` for wrong usage, for `--help` and for `--version`. */
export function createProgram(context: CliContext, finish: Finish): Command {
  const { stdout, stderr, environment } = context;
  const program = new Command("tiding");
  // Set before the commands are added: each takes these settings over.
  // An option belongs to the command that it stands behind: of `bench compare A B --json`, to `compare`.
  program.enablePositionalOptions();
  program.exitOverride().configureOutput({
    writeOut: (text) => stdout.write(text),
    writeErr: (text) => stderr.write(text),
    // Printed by `runCli`, like every other error.
    outputError: () => {},
    getOutHelpWidth: () => Math.min(lookOf(stdout, environment).width, 100),
    getErrHelpWidth: () => Math.min(lookOf(stderr, environment).width, 100),
    getOutHasColors: () => isLive(stdout, environment),
    getErrHasColors: () => isLive(stderr, environment),
  });
  program
    .description("Tiding: a dataset and an LLM endpoint in, a finished dataset out, each row exactly once.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding init", does: "write a job.yaml to start from" },
          { command: "tiding preview job.yaml", does: "see what the first rows would send and get" },
          { command: "tiding run job.yaml", does: "run it; the same command again resumes" },
          { command: "tiding status out/answers --watch", does: "watch it from elsewhere" },
        ],
        exitCodes: EXIT_CODES_HELP,
        next: "Next: `tiding help run`, or `tiding help` with any command. TIDING_DEBUG=1 adds stacks to errors.",
      }),
    );
  for (const create of commands) program.addCommand(inheriting(create(context, finish), program));
  return program;
}

/** Commands below a command are there before it is added, and take nothing over by themselves. */
function inheriting(command: Command, from: Command): Command {
  command.copyInheritedSettings(from);
  for (const below of command.commands) inheriting(below, command);
  return command;
}

function packageVersion(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
