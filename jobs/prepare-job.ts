/** From a loaded spec to everything a run needs, checked before anything is written or paid for. */
import { openRowSource } from "../coordinator/input/open-row-source.ts";
import type { RowSource } from "../coordinator/input/row-source.ts";
import { TidingError } from "../shared/errors.ts";
import type { RowSchema } from "../shared/rows/row-schema.ts";
import type { LoadedSpec } from "../shared/spec/loaded-spec.ts";
import { openSteps, type OpenSteps } from "../worker/open-steps.ts";

export interface PreparedJob extends AsyncDisposable {
  readonly loaded: LoadedSpec;
  readonly source: RowSource;
  readonly steps: OpenSteps;
}

/** Opens the input and the steps; `keyless` for a process that calls no endpoint. Throws errors of class `usage`. */
export async function prepareJob(
  loaded: LoadedSpec,
  environment: Readonly<Record<string, string | undefined>>,
  options: { readonly inputSchema?: RowSchema | undefined; readonly keyless?: boolean } = {},
): Promise<PreparedJob> {
  const source = await openRowSource(loaded.spec.input, {
    folder: loaded.folder,
    ...(options.inputSchema === undefined ? {} : { schema: options.inputSchema }),
  });
  if (source.schema.length === 0 && loaded.spec.input.generate === undefined) {
    throw new TidingError("INPUT_UNREADABLE", "The input holds nothing: no row from which its columns could be told.", {
      place: source.files.map((file) => file.path).join(", "),
      mend: "Check input.path, or name the columns with input.types for an empty dataset.",
    });
  }
  // Who never calls an endpoint needs no key; those who do have theirs.
  const keys = options.keyless === true ? { secret: () => "" } : {};
  const steps = await openSteps(loaded, environment, source.schema, keys);
  return { loaded, source, steps, [Symbol.asyncDispose]: () => steps[Symbol.asyncDispose]() };
}
