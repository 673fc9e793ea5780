import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "../../coordinator/output/durable-file.ts";
import { TidingError } from "../../shared/errors.ts";
import { BENCH_REPORT_VERSION, BenchReport } from "./bench-report.ts";
import { REPORT_FILE } from "./report-folder.ts";

const MEND = "Give the folder that `tiding bench` wrote, or its report.json.";

/** The report in a folder, or in a file. Throws `USAGE` where there is none, or none that this version reads. */
export async function readReport(place: string): Promise<BenchReport> {
  const text = await readText(place);
  const parsed = BenchReport.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const { version } = (jsonOf(text) ?? {}) as { readonly version?: unknown };
  const isOther = typeof version === "number" && version !== BENCH_REPORT_VERSION;
  const issue = parsed.error.issues[0];
  const what = isOther
    ? `The report is of version ${version}; this program reads version ${BENCH_REPORT_VERSION}.`
    : `The file is no report of a benchmark: ${issue?.path.join(".") ?? ""} ${issue?.message ?? "it is no JSON"}.`;
  throw new TidingError("USAGE", what, { place, mend: MEND, cause: parsed.error });
}

async function readText(place: string): Promise<string> {
  try {
    const isFolder = (await stat(place)).isDirectory();
    return await readFile(isFolder ? join(place, REPORT_FILE) : place, "utf8");
  } catch (error) {
    if (!hasCode(error, "ENOENT") && !hasCode(error, "ENOTDIR")) throw error;
    throw new TidingError("USAGE", "There is no report of a benchmark.", { place, mend: MEND, cause: error });
  }
}

/** Undefined for what is no JSON, which no schema takes. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
