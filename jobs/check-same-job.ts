/** Whether a spec is the job that an output holds. */
import type { Manifest } from "../coordinator/output/manifest.ts";
import type { InputFile } from "../coordinator/input/row-source.ts";
import { TidingError } from "../shared/errors.ts";
import { differences, fingerprintDocument, type FingerprintDocument } from "../shared/spec/fingerprint.ts";
import type { PreparedJob } from "./prepare-job.ts";

/** For each step, what its endpoints serve. */
export type Served = readonly (readonly {
  /** Its kind; not told over a broker. */
  readonly server?: string;
  readonly model: string;
  readonly revision: string | null;
  readonly advice?: readonly string[];
}[])[];

type Steps = readonly { readonly llm?: { readonly models?: unknown } }[];

/**
 * The document of a job. Until its endpoints were asked, what they serve is taken from the output's own document.
 */
export function documentOf(job: PreparedJob, served: Served): FingerprintDocument {
  const { spec } = job.loaded;
  return fingerprintDocument({
    spec,
    inputFiles: job.source.files,
    inputSchema: job.source.schema,
    steps: job.steps.code.map((code, index) => ({ ...code, servedModels: served[index] ?? [] })),
  });
}

/** What differs between two documents, but for the models served where `ignoreServed` says so. */
export function differencesOf(
  kept: FingerprintDocument,
  present: FingerprintDocument,
  options: { readonly ignoreServed: boolean },
): string[] {
  return options.ignoreServed ? differences(withoutServed(kept), withoutServed(present)) : differences(kept, present);
}

function withoutServed(document: FingerprintDocument): FingerprintDocument {
  const steps = (document["steps"] ?? []) as Steps;
  return {
    ...document,
    steps: steps.map((step) => ({
      ...step,
      ...(step.llm === undefined ? {} : { llm: { ...step.llm, models: null } }),
    })) as never,
  };
}

/** Throws `OUTPUT_OTHER_JOB`, saying what differs. */
export function refuseOtherJob(output: string, found: readonly string[]): never {
  throw new TidingError("OUTPUT_OTHER_JOB", `The output holds another job. ${found.join(" ")}`, {
    place: output,
    mend: "Choose another output.path for this spec, or put back what was changed to go on with the job that is there.",
  });
}

/** Throws `INPUT_CHANGED` when an input file has another size or content than when the job began. */
export function checkInputFiles(manifest: Manifest, files: readonly InputFile[]): void {
  const before = manifest.plan.inputFiles;
  if (before.length !== files.length) {
    throw new TidingError(
      "INPUT_CHANGED",
      `The input has ${files.length} files now and had ${before.length} when this job began.`,
      {
        place: "input.path",
        mend: "Put the former files back, or choose another output.path for the new input.",
      },
    );
  }
  for (const [index, file] of files.entries()) {
    const known = before[index];
    if (known === undefined || (known.bytes === file.bytes && known.sample === file.sample)) continue;
    throw new TidingError(
      "INPUT_CHANGED",
      `The input is not what it was when this job began: ${known.bytes} bytes then, ${file.bytes} now.`,
      {
        place: file.path,
        mend: "Put the former file back, or choose another output.path for the new one.",
      },
    );
  }
}

/** Files that look the same but were touched meanwhile: their landed shards are read again and compared. */
export function wereTouched(manifest: Manifest, files: readonly InputFile[]): boolean {
  return files.some((file, index) => manifest.plan.inputFiles[index]?.modifiedMs !== file.modifiedMs);
}
