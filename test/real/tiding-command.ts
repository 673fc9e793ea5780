/** The command line as its users run it: a child process, with what it printed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { JobReport } from "../../shared/observe/job-report.ts";

const bin = fileURLToPath(new URL("../../cli/bin.js", import.meta.url));

export interface CommandEnd {
  /** Null for one that was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly ended: Promise<CommandEnd>;
  readonly hasEnded: boolean;
  kill(signal: NodeJS.Signals): void;
}

export function startTiding(...argv: readonly string[]): RunningCommand {
  const child = spawn(process.execPath, [bin, ...argv], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]).then(
    ([[code], stdout, stderr]): CommandEnd => ({ code: code as number | null, stdout, stderr }),
  );
  return {
    ended,
    get hasEnded() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    kill: (signal) => void child.kill(signal),
  };
}

export function tiding(...argv: readonly string[]): Promise<CommandEnd> {
  return startTiding(...argv).ended;
}

/** The report of `--json`. Throws an Error with all that was printed where there is none. */
export function reportOf({ code, stdout, stderr }: CommandEnd): JobReport {
  try {
    return JSON.parse(stdout) as JobReport;
  } catch (cause) {
    throw new Error(`tiding ended with ${code} and no report.\n${stdout}\n${stderr}`, { cause });
  }
}
