/** Which jobs can be measured: those that ask servers over HTTP, and whose input can be read again and again. */
import { TidingError } from "../../shared/errors.ts";
import type { JobSpec, LLMSpec } from "../../shared/spec/job-spec.ts";
import { readsStandardInput } from "../../shared/spec/standard-input.ts";

/** Throws `USAGE` for a job that cannot be measured, or not so. */
export function checkBenchable(spec: JobSpec, { scale }: { readonly scale: boolean }): void {
  if (readsStandardInput(spec.input)) {
    throw refusal("input.path", "Standard input can be read once, and a benchmark runs the job several times.", {
      mend: "Put the rows into a file.",
    });
  }
  const llms = spec.steps.flatMap(({ llm }, step) => (llm === undefined ? [] : [{ llm, place: `steps.${step}.llm` }]));
  if (llms.length === 0) {
    throw refusal("steps", "No step of the job asks a model, so there is nothing to measure.", {
      mend: "Give a step an `llm`.",
    });
  }
  for (const { llm, place } of llms) checkLLM(llm, place);
  if (scale && !llms.some(({ llm }) => urlsOf(llm).length > 1)) {
    throw refusal("base_url", "Every model of the job has one endpoint, and scaling is measured over several.", {
      mend: "Give base_url a list, or leave out --scale.",
    });
  }
}

/** `--set` texts that leave each model its first endpoint. */
export function onFirstEndpoint({ steps }: JobSpec): readonly string[] {
  return steps.flatMap(({ llm }, step) => {
    const [first, ...others] = llm === undefined ? [] : urlsOf(llm);
    return others.length === 0 ? [] : [`steps.${step}.llm.base_url=${JSON.stringify(first)}`];
  });
}

function checkLLM(llm: LLMSpec, place: string): void {
  if (llm.class === "TransformersLLM") {
    throw refusal(place, "A model in this process answers no requests, and so has no endpoint to be measured.", {
      mend: "Give a job whose models are served over HTTP.",
    });
  }
  if (llm.use_offline_batch_generation === true) {
    throw refusal(`${place}.use_offline_batch_generation`, "Offline batches are answered within hours, at no rate.", {
      mend: `Add -s ${place}.use_offline_batch_generation=false to measure the endpoint itself.`,
    });
  }
  if (llm.endpoint !== undefined && llm.endpoint.when_done !== "leave") {
    throw refusal(`${place}.endpoint.when_done`, "The first run would stop the endpoint, and the others need it.", {
      mend: `Add -s ${place}.endpoint.when_done=leave, and stop the endpoint yourself afterwards.`,
    });
  }
}

export function urlsOf({ base_url }: LLMSpec): readonly string[] {
  return [base_url ?? []].flat();
}

function refusal(place: string, message: string, { mend }: { readonly mend: string }): TidingError {
  return new TidingError("USAGE", message, { place, mend });
}
