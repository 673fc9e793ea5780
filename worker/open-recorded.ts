/** The steps of a job that a coordinator made known, opened where this worker is. */
import { TidingError } from "../shared/errors.ts";
import type { JobRecord } from "../shared/protocol/job-record.ts";
import type { StepCode } from "../shared/protocol/step-code.ts";
import { specFromObject } from "../shared/spec/load-spec.ts";
import type { LoadedSpec } from "../shared/spec/loaded-spec.ts";
import { openSteps, type OpenSteps } from "./open-steps.ts";

export type Recorded = Pick<JobRecord, "name" | "spec" | "folder" | "inputColumns" | "code">;

/** What of this worker's surroundings a job is opened with. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the paths of modules start, in place of the coordinator's folder. */
  readonly folder?: string | undefined;
}

const bringModule = "Bring the coordinator's copy of the module and its imports here.";
const MISMATCHES = {
  taskCode: { what: "task module", mend: bringModule },
  llmCode: { what: "LLM module", mend: bringModule },
  chatTemplate: {
    what: "chat template",
    mend: "Bring the coordinator's tokenizer files here, or pin their revision: tokenizer_id: org/name@revision.",
  },
} as const satisfies Record<keyof StepCode, { readonly what: string; readonly mend: string }>;
const KINDS = ["taskCode", "llmCode", "chatTemplate"] as const satisfies (keyof StepCode)[];

/** Throws `CODE_MISMATCH`, and as `openSteps` does. */
export async function openRecorded(
  record: Recorded,
  { environment, folder = record.folder }: Surroundings,
): Promise<{ readonly loaded: LoadedSpec; readonly steps: OpenSteps }> {
  const loaded = specFromObject(record.spec, { folder, environment, name: record.name });
  const steps = await openSteps(loaded, environment, record.inputColumns);
  try {
    refuseOtherCode(record, steps, folder);
    return { loaded, steps };
  } catch (error) {
    await steps[Symbol.asyncDispose]();
    throw error;
  }
}

function refuseOtherCode(record: Recorded, steps: OpenSteps, folder: string): void {
  for (const [index, code] of steps.code.entries()) {
    const kind = KINDS.find((each) => record.code[index]?.[each] !== code[each]);
    if (kind === undefined) continue;
    const { what, mend } = MISMATCHES[kind];
    throw new TidingError("CODE_MISMATCH", `The ${what} of step ${index} is not the one that the job began with.`, {
      place: folder,
      mend,
    });
  }
}
