import { isTidingError } from "../shared/errors.ts";
import type { JobOutcome } from "../shared/observe/job-report.ts";

/** What the command line's exit codes mean; part of its interface. */
export const EXIT = {
  accepted: 0,
  jobError: 1,
  usage: 2,
  failedRows: 3,
  /** Waiting for an offline batch. */
  parked: 4,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export function exitCodeOfOutcome(outcome: JobOutcome): ExitCode {
  switch (outcome) {
    case "finished":
      return EXIT.accepted;
    case "finished-with-failed-rows":
      return EXIT.failedRows;
    case "interrupted":
      return EXIT.interrupted;
    case "stopped":
      return EXIT.jobError;
    case "parked":
      return EXIT.parked;
  }
}

/** The exit code of an error that was thrown: whose fault it is decides. */
export function exitCodeOfError(error: unknown): ExitCode {
  if (isAbort(error)) return EXIT.interrupted;
  return isTidingError(error) && error.class === "usage" ? EXIT.usage : EXIT.jobError;
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** Tells the program with which exit code it ends. */
export type Finish = (exitCode: ExitCode) => void;
