/** Where offline batches are out of place, and where nothing else is. */
import { TidingError } from "../../shared/errors.ts";
import { usesBatches } from "../../shared/spec/check-batches.ts";
import type { JobSpec } from "../../shared/spec/job-spec.ts";

/** Over a broker workers call endpoints side by side, and a batch has nothing for them to do. Throws `USAGE`. */
export function refuseBatches({ steps }: JobSpec): void {
  const index = steps.findIndex(({ llm }) => usesBatches(llm));
  if (index < 0) return;
  throw new TidingError(
    "USAGE",
    "A job with offline batches runs without a broker: there is nothing for workers to do.",
    {
      place: `steps.${index}.llm.use_offline_batch_generation`,
      mend: "Run it with `tiding run` and no --broker, or take the key out to have workers call the endpoint.",
    },
  );
}

/** Throws `USAGE` for a job whose answers do not come by batches. */
export function requireBatches({ steps }: JobSpec): void {
  if (steps.some(({ llm }) => usesBatches(llm))) return;
  throw new TidingError(
    "USAGE",
    "Files of batches are for jobs with offline batches, and this one calls its endpoint.",
    {
      place: "steps.0.llm.use_offline_batch_generation",
      mend: "Set it to true.",
    },
  );
}
