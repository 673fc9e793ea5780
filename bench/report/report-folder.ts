/** The folder that a benchmark writes: what was measured survives whatever ends the run. */
import { createWriteStream, type WriteStream } from "node:fs";
import { mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { finished } from "node:stream/promises";
import { hasCode, replaceFile, storageError } from "../../coordinator/output/durable-file.ts";
import { isTidingError, TidingError } from "../../shared/errors.ts";
import type { BenchReport } from "./bench-report.ts";
import { readPageParts } from "./page/html-page.ts";
import { reportPage } from "./page/report-page.ts";
import type { PageParts } from "./page/html-page.ts";
import { stagesCsv } from "./stages-csv.ts";

export const REPORT_FILE = "report.json";
const FILES = [REPORT_FILE, "requests.jsonl", "stages.csv", "report.html"] as const;

/** Refuses with `USAGE` a folder that holds a report already, or is a file, unless `force`; nothing is created. */
export async function checkReportFolder(folder: string, force: boolean): Promise<void> {
  const held = await readdir(folder).catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return [] as string[];
    throw inBench(storageError(error, folder));
  });
  if (force || !FILES.some((name) => held.includes(name))) return;
  throw new TidingError("USAGE", "The folder holds the report of another run.", {
    place: folder,
    mend: "Name another with --out, or replace that report with --force.",
  });
}

export class ReportFolder implements AsyncDisposable {
  readonly path: string;
  readonly #records: WriteStream;
  readonly #parts: PageParts;
  #failed: Error | null = null;
  #isEmpty = true;

  private constructor(path: string, parts: PageParts) {
    this.path = path;
    this.#parts = parts;
    const file = join(path, "requests.jsonl");
    this.#records = createWriteStream(file);
    // Thrown by whoever writes next.
    this.#records.on("error", (error) => (this.#failed ??= inBench(storageError(error, file))));
  }

  /** Creates the folder; one that holds a report is emptied of it, with `force`. Throws as `checkReportFolder`, and `OUTPUT_UNWRITABLE`. */
  static async open(folder: string, force: boolean): Promise<ReportFolder> {
    const path = resolve(folder);
    await checkReportFolder(path, force);
    try {
      await mkdir(path, { recursive: true });
      await Promise.all(FILES.map((name) => rm(join(path, name), { force: true })));
    } catch (error) {
      throw inBench(storageError(error, path));
    }
    return new ReportFolder(path, await readPageParts());
  }

  /** Takes lines of `requests.jsonl`, each with its end. */
  addRecords(jsonLines: string): void {
    this.#isEmpty = false;
    this.#records.write(jsonLines);
  }

  /** Puts the report in all its forms in place of what is there, each file whole. Throws `DISK_FULL`, `OUTPUT_UNWRITABLE`. */
  async write(report: BenchReport): Promise<void> {
    if (this.#failed !== null) throw this.#failed;
    this.#isEmpty = false;
    try {
      await replaceFile(join(this.path, "stages.csv"), stagesCsv(report));
      await replaceFile(join(this.path, "report.html"), reportPage(report, this.#parts));
      // The last, so that whoever finds it finds the others.
      await replaceFile(join(this.path, REPORT_FILE), `${JSON.stringify(report, null, 1)}\n`);
    } catch (error) {
      throw inBench(error);
    }
  }

  /** Waits until all records are in the file; where nothing was written, nothing stays. Throws what hindered it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#records.end();
    if (this.#failed !== null) throw this.#failed;
    await finished(this.#records);
    if (!this.#isEmpty) return;
    await rm(join(this.path, "requests.jsonl"), { force: true });
    await rmdir(this.path).catch((error: unknown) => {
      if (!hasCode(error, "ENOTEMPTY") && !hasCode(error, "EEXIST")) throw error;
    });
  }
}

/** The library speaks of a job's output; here it is an option. */
function inBench(error: unknown): Error {
  if (!isTidingError(error) || (error.code !== "OUTPUT_UNWRITABLE" && error.code !== "DISK_FULL"))
    return error as Error;
  const place = error.place === undefined ? {} : { place: error.place };
  const mend =
    error.code === "DISK_FULL"
      ? "Free some space, or name a folder elsewhere with --out."
      : "Name another folder with --out.";
  return new TidingError(error.code, error.message, { ...place, mend, cause: error });
}

/** `bench-model-8b-20261121-160000`: of the model's name, what may stand in a file's. */
export function freshFolderName(model: string, at: Date): string {
  const name = (model.split("/").at(-1) ?? "").replaceAll(/[^\w.-]+/g, "-").replaceAll(/^[-.]+|[-.]+$/g, "");
  const time = at.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-");
  return ["bench", name, time].filter((part) => part !== "").join("-");
}
