import { CommanderError, type Command } from "commander";
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
  const commands = program.commands.map((command) => command.name());
  try {
    await program.parseAsync(askedFor(argv, commands), { from: "user" });
    return exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      // Help that was asked for is no error; help in place of a missing command is, and has been printed.
      if (thrown.exitCode === 0) return EXIT.accepted;
      if (thrown.code === "commander.help") return EXIT.usage;
    }
    const error = thrown instanceof CommanderError ? usageError(thrown, commandOf(argv, program)) : thrown;
    return fail(error, argv.includes("--json"), context);
  }
}

/** The command that was meant, with those above it: `tiding endpoints create`. */
function commandOf([word, ...rest]: readonly string[], within: Command): string {
  const command = within.commands.find((candidate) => candidate.name() === word);
  return command === undefined ? within.name() : `${within.name()} ${commandOf(rest, command)}`;
}

function usageError(error: CommanderError, command: string): TidingError {
  const help = `${command} --help`;
  const [, what = "", near] = /^(?:error: )?([^]*?)\.?(?:\n\((Did you mean .*\?)\))?$/.exec(error.message) ?? [];
  const mend = `${near === undefined ? "" : `${near} `}\`${help}\` lists what there is.`;
  return new TidingError("USAGE", `${what.charAt(0).toUpperCase()}${what.slice(1)}.`, { mend, cause: error });
}

/** Help for a command that there is not would be the whole program's, without a word about it: it fails as the command does. */
function askedFor(argv: readonly string[], commands: readonly string[]): readonly string[] {
  const [first, name = ""] = argv;
  const isUnknown = first === "help" && /^\w/.test(name) && name !== "help" && !commands.includes(name);
  return isUnknown ? [name] : argv;
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
