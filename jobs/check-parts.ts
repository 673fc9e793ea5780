import { stat } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "../coordinator/output/durable-file.ts";
import type { Manifest } from "../coordinator/output/manifest.ts";
import { TidingError } from "../shared/errors.ts";

/** Throws `OUTPUT_DAMAGED` when a part that the manifest names is missing or has another size. */
export async function checkParts(root: string, manifest: Manifest): Promise<void> {
  for (const { file, bytes } of [...manifest.parts, ...manifest.failed]) {
    const path = join(root, file);
    const found = await stat(path).catch((error: unknown) => {
      if (hasCode(error, "ENOENT")) return null;
      throw error;
    });
    if (found?.size === bytes) continue;
    const what = found === null ? "is missing" : `has ${found.size} bytes, not ${bytes}`;
    throw new TidingError("OUTPUT_DAMAGED", `A part that the manifest names ${what}.`, {
      place: path,
      mend: "Put the file back, for example from a copy. If it is gone for good, run the job into another output.path.",
    });
  }
}
