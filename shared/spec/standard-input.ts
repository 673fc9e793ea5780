import type { InputSpec } from "./job-spec.ts";
import type { SpecProblem } from "./spec-problem.ts";

/** As `input.path`: the rows come by standard input. */
export const STANDARD_INPUT = "-";

/** Whether a job's rows come by standard input. */
export function readsStandardInput({ path }: Pick<InputSpec, "path">): boolean {
  return path === STANDARD_INPUT;
}

/** Standard input is the whole input, and has no name that tells its format. */
export function standardInputProblems(input: InputSpec): SpecProblem[] {
  if (readsStandardInput(input) && input.format === undefined) {
    return [
      {
        path: ["input", "format"],
        what: "`input.format` is missing: standard input has no name that tells it.",
        mend: "Add `format: jsonl`, or csv, parquet or arrow.",
      },
    ];
  }
  const index = Array.isArray(input.path) ? input.path.indexOf(STANDARD_INPUT) : -1;
  if (index < 0) return [];
  return [
    {
      path: ["input", "path", index],
      what: `\`input.path.${index}\` names standard input beside files.`,
      mend: 'Write `path: "-"` for standard input alone; a file of that name is `./-`.',
    },
  ];
}
