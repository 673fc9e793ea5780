/** What a program constructs an `InferenceEndpointsLLM` with, checked by the rules of job specs. */
import { isTidingError, TidingError } from "../../shared/errors.ts";
import type { Environment } from "../../shared/spec/interpolate.ts";
import type { JobSpec, JobSpecInput, LLMSpec } from "../../shared/spec/job-spec.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";
import type { SecretResolver } from "../../shared/spec/loaded-spec.ts";
import { secretResolver } from "../../shared/spec/secret.ts";

type WrittenLLM = NonNullable<JobSpecInput["steps"][number]["llm"]>;

/** The keys of a spec's `llm`, by distilabel's names, with a spec's defaults for what is absent. */
export interface InferenceEndpointsLLMOptions extends Omit<
  WrittenLLM,
  | "class"
  | "options"
  | "api_key"
  | "endpoint"
  | "use_offline_batch_generation"
  | "offline_batch_generation_block_until_done"
> {
  /** The key itself, or a reference to the variable that holds it: `${NAME}`. */
  readonly api_key?: string | undefined;
  /** Tries of one call before it fails; 6 when absent. */
  readonly attempts?: number | undefined;
  /** How long to wait for any endpoint: seconds, or a text such as `15m`, which it is when absent. */
  readonly endpoint_wait?: number | string | undefined;
  /** How often an answer that does not fit its structured output is asked for again; 2 when absent. */
  readonly structured_retries?: number | undefined;
  /** For tokens, proxies and the variables named in texts; the process's own when absent. */
  readonly environment?: Environment | undefined;
  /** What a relative `tokenizer_id` is relative to; the working directory when absent. */
  readonly folder?: string | undefined;
}

/** How calls are made for a program, where no job says so. */
export interface CallSettings {
  readonly attempts: number;
  readonly endpointWaitMs: number;
  readonly structuredRetries: number;
}

export interface CheckedOptions {
  readonly spec: LLMSpec;
  readonly secret: SecretResolver;
  readonly environment: Environment;
  readonly folder: string;
  readonly calls: CallSettings;
}

const REFERENCE = /^\$\{[A-Za-z_]\w*\}$/;

/** Throws `SPEC_INVALID` and `NOT_BUILT` as a spec would, with the option's name for a place. */
export function checkedOptions(options: InferenceEndpointsLLMOptions): CheckedOptions {
  const { api_key: key, attempts, endpoint_wait, structured_retries, environment, folder, ...llm } = options;
  if ((llm as { readonly endpoint?: unknown }).endpoint !== undefined) {
    throw new TidingError("SPEC_INVALID", "`endpoint` is what a job does around its rows, and no matter of calls.", {
      place: "endpoint",
      mend: "Start and pause the endpoint by `InferenceEndpoints`: resume, wait, pause.",
    });
  }
  const context = { environment: environment ?? process.env, folder: folder ?? process.cwd() };
  const isReference = key !== undefined && REFERENCE.test(key);
  const { steps, run } = check(
    {
      input: { generate: { rows: 0 } },
      steps: [
        {
          task: "text-generation",
          llm: given({ ...llm, api_key: isReference ? key : undefined }),
          ...given({ structured_retries }),
        },
      ],
      output: { path: "." },
      run: given({ attempts, endpoint_wait }),
    },
    context,
  );
  const [step] = steps;
  if (step?.llm === undefined) throw new TidingError("INTERNAL", "The options came to nothing.");
  if (step.llm.use_offline_batch_generation === true) {
    throw new TidingError("SPEC_INVALID", "Offline batches are for jobs: a call of a program waits for its answer.", {
      place: "use_offline_batch_generation",
      mend: "Leave it out, or run a job over these inputs: `runJob` parks and collects.",
    });
  }
  const resolve = secretResolver(context.environment);
  return {
    // The key itself stands here as its own reference: options are never stored.
    spec: key === undefined ? step.llm : { ...step.llm, api_key: key },
    secret: (reference) => (reference === key && !isReference ? key : resolve(reference)),
    ...context,
    calls: {
      attempts: run.attempts,
      endpointWaitMs: run.endpoint_wait,
      structuredRetries: step.structured_retries,
    },
  };
}

function check(
  spec: unknown,
  context: { readonly environment: Environment; readonly folder: string },
): Pick<JobSpec, "steps" | "run"> {
  try {
    return specFromObject(spec, context).spec;
  } catch (error) {
    if (!isTidingError(error)) throw error;
    const { mend, place } = error;
    throw new TidingError(error.code, byOption(error.message), {
      ...(place === undefined ? {} : { place: byOption(place) }),
      ...(mend === undefined ? {} : { mend: byOption(mend) }),
      cause: error,
    });
  }
}

/** Names keys as the program wrote them. */
function byOption(text: string): string {
  return text.replaceAll(/\b(?:steps\.0\.llm|steps\.0|run)\./g, "");
}

/** A program may write `undefined` for what it leaves out. */
function given(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
