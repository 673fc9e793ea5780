import { statSync } from "node:fs";
import { resolve } from "node:path";
import { TidingError } from "../shared/errors.ts";

/** The absolute path of a job's output folder. Throws `USAGE` for a file: most likely the job's spec. */
export function outputFolder(given: string): string {
  const path = resolve(given);
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return path;
  throw new TidingError("USAGE", `${given} is a file, and not the output folder of a job.`, {
    place: given,
    mend: "Give the folder that `output.path` of the spec names.",
  });
}
