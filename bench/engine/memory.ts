/**
 * Whether memory and broker space follow the work in flight, and not the size of the dataset:
 * `node dist/bench/engine/memory.js`.
 *
 * Three runs on a zero-latency endpoint: few rows, many rows, and many rows of which the tenth hangs all the time. The
 * hanging request is let go when every other row is done, by putting an endpoint that does not hang on the same port: its
 * connection breaks, the row is tried again, and the job ends whole, with all that its end costs inside the measurement.
 * Peak memory is the engine process's VmHWM; `.tiding/` is measured from outside, every 250 ms.
 */
import { rm } from "node:fs/promises";
import path from "node:path";
import type { JobReport } from "../../shared/observe/job-report.ts";
import { startSimulatorProcess } from "../simulator/child.ts";
import { printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import { folderBytes } from "./folder-bytes.ts";
import type { JobNote, JobTask } from "./job-child.ts";
import { startMeasured } from "./measured-child.ts";
import { jobSpec, openWorkspace } from "./workspace.ts";

const MOST_RATIO = 1.15;
const MOST_RSS_BYTES = 400_000_000;
const MOST_PRIVATE_BYTES = 256 * 1024 * 1024;
const SAMPLE_MS = 250;
const HANGING_ROW = 9;
const { few, many, slots } = sizesFrom({ few: 100_000, many: 1_000_000, slots: 64 });

interface Run {
  readonly rows: number;
  readonly peakRssBytes: number;
  readonly peakPrivateBytes: number;
}

await using workspace = await openWorkspace(many);
const { folder } = workspace;
const small = await run(few, { hangs: false });
const large = await run(many, { hangs: false });
const hanging = await run(many, { hangs: true });
const peak = Math.max(large.peakRssBytes, hanging.peakRssBytes);
const privatePeak = Math.max(small.peakPrivateBytes, large.peakPrivateBytes, hanging.peakPrivateBytes);
const value = peak / small.peakRssBytes;
printFigure({
  figure: "memory_ratio",
  value: rounded(value),
  want: `<= ${MOST_RATIO}, with a peak <= 400 MB and .tiding/ <= 256 MiB`,
  ok: value <= MOST_RATIO && peak <= MOST_RSS_BYTES && privatePeak <= MOST_PRIVATE_BYTES,
  details: { slots, small: asDetails(small), large: asDetails(large), oneRowHangs: asDetails(hanging) },
});

async function run(rows: number, { hangs }: { readonly hangs: boolean }): Promise<Run> {
  const options = { answerChars: 250, maxConcurrentRequests: 0 };
  let simulator = await startSimulatorProcess({
    ...options,
    ...(hangs ? { hangPrompts: [`Question ${HANGING_ROW}:`] } : {}),
  });
  const output = path.join(folder, "out");
  const space = watchSize(path.join(output, ".tiding"));
  try {
    const url = simulator.url;
    let letGo = (): void => undefined;
    const othersAreDone = new Promise<void>((resolve) => (letGo = resolve));
    const spec = jobSpec({ url, slots, output: "out", limit: rows });
    const job = startMeasured<JobTask, JobReport, JobNote>(
      "job-child",
      { spec, folder },
      { onNote: (done) => done >= rows - 1 && letGo() },
    );
    if (hangs) {
      await Promise.race([othersAreDone, job.done]);
      await simulator.stop();
      simulator = await startSimulatorProcess({ ...options, port: Number(new URL(url).port) });
    }
    const { result, peakRssBytes } = await job.done;
    if (result.rows.accepted !== rows) throw new Error(`${result.rows.accepted} of ${rows} rows were accepted.`);
    const measured = { rows, peakRssBytes, peakPrivateBytes: space.peak() };
    tell(`${rows} rows${hangs ? ", one hanging" : ""}: ${JSON.stringify(asDetails(measured))}`);
    return measured;
  } finally {
    space.stop();
    await simulator.stop();
    await rm(output, { recursive: true, force: true });
  }
}

function watchSize(root: string): { readonly peak: () => number; readonly stop: () => void } {
  let most = 0;
  const timer = setInterval(() => {
    void folderBytes(root).then((bytes) => (most = Math.max(most, bytes)));
  }, SAMPLE_MS);
  return { peak: () => most, stop: () => clearInterval(timer) };
}

function asDetails({ rows, peakRssBytes, peakPrivateBytes }: Run) {
  return { rows, peakRssMB: rounded(peakRssBytes / 1e6, 1), peakPrivateMiB: rounded(peakPrivateBytes / 1_048_576, 1) };
}
