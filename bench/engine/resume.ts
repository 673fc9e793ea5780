/**
 * How soon a job that died goes on: `node dist/bench/engine/resume.js`.
 *
 * A million rows, 900,000 of them committed with a hole in every ten, none landed, the owner killed: the most that resuming
 * can have to read. Measured from the start of the resuming process to its first new request, by the endpoint's log; then
 * that process is killed, and the next round resumes what it left. The slowest round is the figure.
 */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startSimulatorProcess } from "../simulator/child.ts";
import { readRequestLog } from "../simulator/request-log.ts";
import { printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import { folderBytes } from "./folder-bytes.ts";
import type { HalfDoneNote } from "./half-done-child.ts";
import type { JobTask } from "./job-child.ts";
import { startMeasured } from "./measured-child.ts";
import { jobSpec, openWorkspace } from "./workspace.ts";

const MOST_SECONDS = 5;
const POLL_MS = 20;
const TELL_EVERY_ROWS = 100_000;
const { rows, rounds, slots } = sizesFrom({ rows: 1_000_000, rounds: 3, slots: 64 });

await using workspace = await openWorkspace(rows);
const { folder } = workspace;
const privateFolder = path.join(folder, "out", ".tiding");
await mkdir(path.join(folder, "logs"));

const beginSeconds = await secondsToFirstRequest("begin");
tell("A run has begun the output, and was killed at its first request.");
const committed = await commitMost();
const state = {
  committed,
  spilledMiB: await mebibytes(path.join(privateFolder, "spills")),
  logMiB: await mebibytes(path.join(privateFolder, "log")),
};
tell(`State: ${JSON.stringify(state)}`);
const seconds: number[] = [];
for (let round = 0; round < rounds; round++) {
  seconds.push(await secondsToFirstRequest(`round-${round}`));
  tell(`round ${round + 1}: ${seconds.at(-1)?.toFixed(2)} s`);
}
const value = Math.max(...seconds);
printFigure({
  figure: "resume_seconds",
  value: rounded(value, 2),
  want: `<= ${MOST_SECONDS}`,
  ok: value <= MOST_SECONDS,
  details: { rows, ...state, beginSeconds: rounded(beginSeconds, 2), seconds: seconds.map((each) => rounded(each, 2)) },
});

/** Runs the job until a request comes, on an endpoint that takes longer to answer than the job lives. */
async function secondsToFirstRequest(name: string): Promise<number> {
  const log = path.join(folder, "logs", name);
  const latency = { distribution: "fixed", medianMs: 3_600_000 } as const;
  let startedAtMs: number;
  {
    await using simulator = await startSimulatorProcess({ latency, log, maxConcurrentRequests: 0 });
    startedAtMs = performance.timeOrigin + performance.now();
    const spec = jobSpec({ url: simulator.url, slots, output: "out" });
    const job = startMeasured<JobTask, never>("job-child", { spec, folder });
    const hasRequest = async (): Promise<void> => {
      while ((await simulator.stats()).requests === 0) await delay(POLL_MS);
    };
    await Promise.race([hasRequest(), job.done]);
    await job.kill();
  }
  const starts = (await readRequestLog(log)).map(({ startMs }) => startMs);
  return (Math.min(...starts) - startedAtMs) / 1_000;
}

/** Rows committed by the half-done child, which is killed then. */
async function commitMost(): Promise<number> {
  // The endpoint is never called: the worker's place is taken by a loop that makes its answers up.
  const spec = jobSpec({ url: "http://127.0.0.1:9", slots, output: "out" });
  let told = 0;
  let complete = (_rows: number): void => undefined;
  const completed = new Promise<number>((resolve) => (complete = resolve));
  const onNote = (note: HalfDoneNote): void => {
    if (note.complete) complete(note.rows);
    if (note.rows < told + TELL_EVERY_ROWS) return;
    told += TELL_EVERY_ROWS;
    tell(`${told} rows are committed.`);
  };
  const child = startMeasured<JobTask, never, HalfDoneNote>("half-done-child", { spec, folder }, { onNote });
  const rowsCommitted = await Promise.race([completed, child.done.then(({ result }) => result)]);
  await child.kill();
  return rowsCommitted;
}

async function mebibytes(root: string): Promise<number> {
  return rounded((await folderBytes(root)) / 1_048_576, 1);
}
