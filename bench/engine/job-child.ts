/** Runs one job in a process of its own, as `tiding run` does, for `runMeasured`. */
import type { JobReport } from "../../shared/observe/job-report.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";
import { runJob } from "../../jobs/run-job.ts";
import { growHeapSparingly } from "../../jobs/sparing-heap.ts";
import { serveMeasured } from "./measured-child.ts";

export interface JobTask {
  readonly spec: unknown;
  readonly folder: string;
}

/** Rows done so far, five times a second. */
export type JobNote = number;

growHeapSparingly();
serveMeasured<JobTask, JobReport, JobNote>(async ({ spec, folder }, note) => {
  const report = await runJob({
    loaded: specFromObject(spec, { folder, environment: {} }),
    environment: {},
    onProgress: ({ rows }) => note(rows.accepted + rows.failed),
    onNotice: (notice) => process.stderr.write(`${notice}\n`),
  });
  if (report.outcome !== "finished") throw new Error(`The job ended as ${report.outcome}: ${report.error?.message}`);
  return report;
});
