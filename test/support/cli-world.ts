import { EventEmitter } from "node:events";
import { Readable, Writable } from "node:stream";
import type { CliContext, OutputStream } from "../../cli/terminal.ts";
import type { CallCounts, JobProgress, JobReport } from "../../shared/observe/job-report.ts";

/** A stream that keeps what is written to it; a terminal when it has columns. */
export class CapturedStream extends Writable implements OutputStream {
  readonly isTTY: boolean;
  declare readonly columns: number;
  text = "";

  constructor(columns?: number) {
    super();
    this.isTTY = columns !== undefined;
    if (columns !== undefined) this.columns = columns;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

export interface CliWorld extends CliContext {
  readonly stdout: CapturedStream;
  readonly stderr: CapturedStream;
  readonly signals: EventEmitter;
}

export function cliWorld(
  environment: CliContext["environment"] = {},
  stdin: CliContext["stdin"] = Readable.from([]),
): CliWorld {
  const [stdout, stderr] = [new CapturedStream(), new CapturedStream()];
  return { stdin, stdout, stderr, environment, signals: new EventEmitter() };
}

const retries = {
  "back-pressure": 0,
  transient: 0,
  "endpoint-down": 0,
  row: 0,
  job: 0,
  usage: 0,
  engine: 0,
} as const;

export function callCounts(changes: Partial<CallCounts> = {}): CallCounts {
  return { requests: 100, answers: 98, retries, cutByLength: 0, inputTokens: 2_000, outputTokens: 5_000, ...changes };
}

export function jobProgress(changes: Partial<JobProgress> = {}): JobProgress {
  return {
    state: "running",
    waitingFor: null,
    rows: { accepted: 40, failed: 0, total: 100 },
    estimatedTotal: null,
    rowsBefore: 0,
    rowsRunning: 37,
    calls: callCounts(),
    endpoints: [{ endpoint: "http://127.0.0.1:8080", slots: 64, inUse: 37, circuit: "closed", reason: null }],
    elapsedMs: 83_000,
    rowsPerSecond: 62.1,
    inputTokensPerSecond: 1_300,
    outputTokensPerSecond: 2_500,
    etaMs: 125_000,
    ...changes,
  };
}

export function jobReport(changes: Partial<JobReport> = {}): JobReport {
  return {
    version: 1,
    job: "3f2a",
    name: "gsm8k-answers",
    outcome: "finished",
    output: "/home/ada/out/gsm8k",
    format: "parquet",
    parts: 3,
    bytes: 12_345_678,
    rows: { accepted: 100, failed: 0, total: 100 },
    committed: 100,
    run: { rows: 100, elapsedMs: 183_000, calls: callCounts(), rowsPerSecond: 57.4, slotUse: 0.934 },
    failures: [],
    endpoints: [],
    error: null,
    ...changes,
  };
}
