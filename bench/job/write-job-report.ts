/** The folder that a job benchmark writes. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { replaceFile, storageError } from "../../coordinator/output/durable-file.ts";
import { readPageParts } from "../report/page/html-page.ts";
import type { JobBenchReport } from "./job-bench-report.ts";
import { jobPage } from "./job-page.ts";

/** Throws `OUTPUT_UNWRITABLE` and `DISK_FULL`. Called before anything is paid for. */
export async function makeReportFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw storageError(error, folder);
  });
}

/** Writes `job-report.html` and `job-report.json`, in place of those that are there; gives their paths. Throws as `makeReportFolder`. */
export async function writeJobReport(folder: string, report: JobBenchReport): Promise<readonly string[]> {
  const [page, document] = ["job-report.html", "job-report.json"].map((name) => path.join(folder, name)) as [
    string,
    string,
  ];
  await replaceFile(page, jobPage(report, await readPageParts()));
  await replaceFile(document, `${JSON.stringify(report, null, 1)}\n`);
  return [page, document];
}
