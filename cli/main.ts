import { CommanderError } from "commander";
import { growHeapSparingly } from "../jobs/sparing-heap.ts";
import { TidingError } from "../shared/errors.ts";
import type { ExitCode } from "./exit-codes.ts";
import { EXIT, exitCodeOfError } from "./exit-codes.ts";
import { describeError, renderError } from "./print-error.ts";
import { createProgram } from "./program.ts";
import type { CliContext } from "./terminal.ts";
import { lookOf, writeJson, writeLines } from "./terminal.ts";

/** Runs one command line, `argv` without node and script, and gives its exit code. Never throws, never exits. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.accepted;
  const program = createProgram(context, (code) => (exitCode = code));
  try {
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      // Help that was asked for is no error; help in place of a missing command is, and has been printed.
      if (thrown.exitCode === 0) return EXIT.accepted;
      if (thrown.code === "commander.help") return EXIT.usage;
    }
    const known = program.commands.some((command) => command.name() === argv[0]);
    const error = thrown instanceof CommanderError ? usageError(thrown, known ? argv[0] : undefined) : thrown;
    return fail(error, argv.includes("--json"), context);
  }
}

function usageError(error: CommanderError, command: string | undefined): TidingError {
  const help = command === undefined ? "tiding --help" : `tiding ${command} --help`;
  const message = error.message.replace(/^error: /, "");
  return new TidingError("USAGE", message, { mend: `\`${help}\` lists what there is.`, cause: error });
}

function fail(error: unknown, json: boolean, { stdout, stderr, environment }: CliContext): ExitCode {
  const debug = (environment["TIDING_DEBUG"] ?? "0") !== "0";
  if (json) writeJson(stdout, { error: describeError(error) });
  if (!json || debug) writeLines(stderr, renderError(error, { look: lookOf(stderr, environment), debug }));
  return exitCodeOfError(error);
}

/** How long whatever a job left open may keep a finished program alive. */
const lingerMs = 2_000;

/** The program itself: `runCli` on this process. */
export async function main(): Promise<void> {
  growHeapSparingly();
  const { stdout, stderr, env: environment } = process;
  for (const stream of [stdout, stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      // The reader of a pipe has gone, as `head` does.
      if (error.code !== "EPIPE") throw error;
    });
  }
  const context: CliContext = {
    // Opened when it is asked for: the process might wait on it otherwise.
    get stdin() {
      return process.stdin;
    },
    stdout,
    stderr,
    environment,
    signals: process,
  };
  const exitCode = await runCli(process.argv.slice(2), context);
  process.exitCode = exitCode;
  // The program ends by itself once its output is written; this is for a custom module that left a timer or socket open.
  setTimeout(() => {
    if ((environment["TIDING_DEBUG"] ?? "0") !== "0") {
      writeLines(stderr, [`Still open at the end: ${process.getActiveResourcesInfo().join(", ")}`]);
    }
    stdout.write("", () => stderr.write("", () => process.exit(exitCode)));
  }, lingerMs).unref();
}
