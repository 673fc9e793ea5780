/** Runs one job over a broker in a process of its own, as `tiding run --broker URL --no-work` does, for `runFleet`. */
import { openJobBroker } from "../../jobs/open-broker.ts";
import { runJob } from "../../jobs/run-job.ts";
import { growHeapSparingly } from "../../jobs/sparing-heap.ts";
import type { JobReport } from "../../shared/observe/job-report.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";
import { serveMeasured } from "./measured-child.ts";

export interface FleetJobTask {
  readonly spec: unknown;
  readonly folder: string;
  readonly broker: string;
}

/** Rows done so far, five times a second. */
export type FleetJobNote = number;

growHeapSparingly();
serveMeasured<FleetJobTask, JobReport, FleetJobNote>(async ({ spec, folder, broker }, note) => {
  const onNotice = (notice: string): void => void process.stderr.write(`${notice}\n`);
  const stop = new AbortController().signal;
  const environment = {};
  await using opened = await openJobBroker({ address: broker }, { works: false, environment, stop, onNotice });
  const report = await runJob({
    loaded: specFromObject(spec, { folder, environment }),
    environment,
    broker: opened.broker,
    onProgress: ({ rows }) => note(rows.accepted + rows.failed),
    onNotice,
  });
  if (report.outcome !== "finished") throw new Error(`The job ended as ${report.outcome}: ${report.error?.message}`);
  return report;
});
