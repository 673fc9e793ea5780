/**
 * Which dedicated endpoints a job has in use, on disk before it starts any of them: a process that is killed can stop
 * nothing, and whoever comes after it has to know what may still run.
 *
 *   .tiding/endpoints.json        there while a run uses endpoints that it is to stop or that it woke, and after one that
 *                                 died or could not stop them
 */
import { mkdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { hasCode, replaceFile } from "../coordinator/output/durable-file.ts";
import { outputPaths } from "../coordinator/output/output-directory.ts";
import { messageOf, TidingError } from "../shared/errors.ts";
import type { EndpointLeft } from "../shared/observe/job-report.ts";

const KeptEndpoint = z.object({
  namespace: z.string(),
  name: z.string(),
  /** When the first of the job's runs began to use it, ISO 8601. */
  since: z.string(),
  /** The job started it. */
  woken: z.boolean(),
  whenDone: z.enum(["pause", "scale_to_zero", "leave"]),
  /** US dollars, with its replicas of then. */
  pricePerHour: z.number().nullable(),
});
export type KeptEndpoint = z.output<typeof KeptEndpoint>;

const Kept = z.object({ version: z.literal(1), endpoints: z.array(KeptEndpoint) });

/** Empty where a job has none in use. Throws `OUTPUT_DAMAGED`. */
export async function readKeptEndpoints(root: string): Promise<readonly KeptEndpoint[]> {
  const file = fileOf(root);
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  });
  if (text === null) return [];
  try {
    return Kept.parse(JSON.parse(text)).endpoints;
  } catch (error) {
    throw new TidingError("OUTPUT_DAMAGED", `What endpoints the job uses cannot be read: ${messageOf(error)}`, {
      place: file,
      mend: "See by `tiding endpoints list` what runs, then delete the file.",
      cause: error,
    });
  }
}

/** Durable when it resolves. */
export async function writeKeptEndpoints(root: string, endpoints: readonly KeptEndpoint[]): Promise<void> {
  const file = fileOf(root);
  if (endpoints.length === 0) return await rm(file, { force: true });
  await mkdir(path.dirname(file), { recursive: true });
  await replaceFile(file, `${JSON.stringify({ version: 1, endpoints })}\n`);
}

export function endpointLeft(kept: KeptEndpoint, problem: string | null): EndpointLeft {
  const { namespace, name, since, pricePerHour } = kept;
  return {
    endpoint: `${namespace}/${name}`,
    since,
    pricePerHour,
    problem,
    command: `tiding endpoints pause ${name} --namespace ${namespace}`,
  };
}

function fileOf(root: string): string {
  return path.join(outputPaths(root).private, "endpoints.json");
}
