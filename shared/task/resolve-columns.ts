/** Which columns flow into and out of each step, checked before the first call. Pure. */
import { TidingError } from "../errors.ts";
import type { ColumnType, RowSchema } from "../rows/row-schema.ts";
import type { OutputSpec, StepSpec } from "../spec/job-spec.ts";
import { nearestName } from "../spec/nearest-name.ts";
import type { Task } from "./task.ts";

export interface ResolvedColumn {
  readonly name: string;
  /** `inferred`: found from the first rows. */
  readonly type: ColumnType | "inferred";
}

export interface ResolvedOutput {
  /** The task's name for the column. */
  readonly from: string;
  /** The dataset's name for it. */
  readonly to: string;
  /** As stored: a list where the step groups its generations. */
  readonly type: ColumnType | "inferred";
}

export interface ResolvedStep {
  readonly name: string;
  /** Task input to row column, for every input that the row has. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: readonly ResolvedOutput[];
}

export interface ResolvedColumns {
  readonly steps: readonly ResolvedStep[];
  /** The dataset's columns in their order: the input's, then each step's, or those of `output.columns`. */
  readonly columns: readonly ResolvedColumn[];
}

export interface StepTask {
  readonly name: string;
  readonly spec: StepSpec;
  readonly task: Task;
}

/** Resolves all columns of a job. Throws `COLUMN_MISSING`, `COLUMN_COLLISION` and `SPEC_INVALID`. */
export function resolveColumns(
  inputSchema: RowSchema,
  steps: readonly StepTask[],
  output: Pick<OutputSpec, "columns" | "types">,
): ResolvedColumns {
  const columns = new Map<string, ColumnType | "inferred">();
  for (const { name, type } of inputSchema) {
    if (isReserved(name)) {
      throw new TidingError(
        "COLUMN_COLLISION",
        `The input column \`${name}\` has a name that Tiding keeps for itself.`,
        {
          place: "input.columns",
          mend: `Give it another name: columns: { my_name: ${name}, ... }.`,
        },
      );
    }
    columns.set(name, type);
  }
  const made = new Set<string>();
  const resolved = steps.map((step, index): ResolvedStep => {
    const place = `steps.${index}`;
    checkLLM(step, place);
    const inputs = resolveInputs(step, [...columns.keys()], place);
    const outputs = resolveOutputs(step, output.types ?? {}, place);
    for (const { from, to, type } of outputs) {
      checkOutputName(step, { from, to, place, taken: columns });
      columns.set(to, type);
      made.add(to);
    }
    return { name: step.name, inputs, outputs };
  });

  for (const name of Object.keys(output.types ?? {})) {
    if (columns.has(name) && !made.has(name)) {
      throw new TidingError("SPEC_INVALID", `\`output.types\` names \`${name}\`, which is a column of the input.`, {
        place: "output.types",
        mend: "Declare it under `input.types`.",
      });
    }
    requireColumn(name, [...columns.keys()], { what: "`output.types` names", place: "output.types" });
  }
  const kept = output.columns ?? [...columns.keys()];
  const doubled = kept.find((name, index) => kept.indexOf(name) !== index);
  if (doubled !== undefined) {
    throw new TidingError("SPEC_INVALID", `\`output.columns\` names \`${doubled}\` twice.`, {
      place: "output.columns",
      mend: "Name each column once.",
    });
  }
  return {
    steps: resolved,
    columns: kept.map((name) => {
      requireColumn(name, [...columns.keys()], { what: "`output.columns` names", place: "output.columns" });
      return { name, type: columns.get(name) ?? "inferred" };
    }),
  };
}

function checkLLM({ name, spec, task }: StepTask, place: string): void {
  if (task.usesLLM === false || spec.llm !== undefined) return;
  throw new TidingError("SPEC_INVALID", `The step \`${name}\` calls a model, and its spec names none.`, {
    place: `${place}.llm`,
    mend: "Give the step an `llm`, or export `usesLLM: false` from a task that calls none.",
  });
}

function resolveInputs(
  { name, spec, task }: StepTask,
  available: readonly string[],
  place: string,
): Record<string, string> {
  const mapping = spec.columns ?? {};
  const oneOf = task.oneOf ?? [];
  const known = [...task.inputs, ...oneOf, ...(task.optionalInputs ?? [])];
  for (const key of Object.keys(mapping)) {
    if (known.includes(key)) continue;
    const near = nearestName(key, known);
    throw new TidingError("SPEC_INVALID", `\`columns\` maps \`${key}\`, which the step \`${name}\` does not read.`, {
      place: `${place}.columns`,
      mend: near === null ? `It reads: ${known.join(", ") || "no columns"}.` : `Did you mean \`${near}\`?`,
    });
  }

  const inputs: Record<string, string> = {};
  const take = (input: string): void => {
    const column = mapping[input] ?? input;
    const what =
      column === input ? `The step \`${name}\` needs` : `\`columns\` of the step \`${name}\` maps \`${input}\` to`;
    requireColumn(column, available, { what, place: `${place}.columns`, input });
    inputs[input] = column;
  };
  for (const input of task.inputs) take(input);
  for (const input of task.optionalInputs ?? []) {
    if (Object.hasOwn(mapping, input) || available.includes(input)) take(input);
  }
  const [first] = oneOf;
  const chosen =
    oneOf.find((input) => Object.hasOwn(mapping, input)) ?? oneOf.find((input) => available.includes(input));
  if (chosen !== undefined) take(chosen);
  else if (first !== undefined) {
    const names = oneOf.map((input) => `\`${input}\``).join(" or ");
    throw new TidingError("COLUMN_MISSING", `The step \`${name}\` needs a column ${names}, and there is none.`, {
      place: `${place}.columns`,
      mend: mapMend(first, available, null),
    });
  }
  return inputs;
}

function resolveOutputs(
  { name, spec, task }: StepTask,
  types: Readonly<Record<string, ColumnType>>,
  place: string,
): ResolvedOutput[] {
  const declared: [string, ColumnType | "inferred"][] = isNameList(task.outputs)
    ? task.outputs.map((output) => [output, "inferred"])
    : Object.entries(task.outputs);
  const names = declared.map(([from]) => from);
  for (const key of Object.keys(spec.rename ?? {})) {
    if (names.includes(key)) continue;
    const near = nearestName(key, names);
    throw new TidingError("SPEC_INVALID", `\`rename\` names \`${key}\`, which the step \`${name}\` does not return.`, {
      place: `${place}.rename`,
      mend: near === null ? `It returns: ${names.join(", ")}.` : `Did you mean \`${near}\`?`,
    });
  }
  const isGrouped = spec.group_generations && spec.num_generations > 1;
  return declared.map(([from, own]) => {
    const to = spec.rename?.[from] ?? from;
    const type = own !== "inferred" && isGrouped ? { list: own } : own;
    return { from, to, type: types[to] ?? type };
  });
}

function checkOutputName(
  { name }: StepTask,
  column: {
    readonly from: string;
    readonly to: string;
    readonly place: string;
    readonly taken: { readonly has: (name: string) => boolean };
  },
): void {
  const { from, to, place, taken } = column;
  const mend = `Give it another name: rename: { ${from}: ${isReserved(to) ? "my" : name.replaceAll(/\W/g, "_")}_${from} }.`;
  const options = { place: `${place}.rename`, mend };
  if (isReserved(to)) {
    throw new TidingError(
      "COLUMN_COLLISION",
      `The step \`${name}\` returns \`${to}\`, a name that Tiding keeps for itself.`,
      options,
    );
  }
  if (taken.has(to)) {
    throw new TidingError(
      "COLUMN_COLLISION",
      `The step \`${name}\` returns the column \`${to}\`, which the row already has.`,
      options,
    );
  }
}

function requireColumn(
  column: string,
  available: readonly string[],
  use: { readonly what: string; readonly place: string; readonly input?: string },
): void {
  if (available.includes(column)) return;
  const near = nearestName(column, available);
  const listed = `Columns: ${available.join(", ") || "none"}.`;
  const mend =
    use.input === undefined
      ? `${near === null ? "" : `Did you mean \`${near}\`? `}${listed}`
      : mapMend(use.input, available, near);
  throw new TidingError("COLUMN_MISSING", `${use.what} the column \`${column}\`, which does not exist.`, {
    place: use.place,
    mend,
  });
}

function mapMend(input: string, available: readonly string[], near: string | null): string {
  const example = near ?? nearestName(input, available) ?? available[0];
  const hint = example === undefined ? "" : `Name the column that holds it, as in columns: { ${input}: ${example} }. `;
  return `${hint}Columns: ${available.join(", ") || "none"}.`;
}

function isReserved(name: string): boolean {
  return name === "tiding" || name.startsWith("tiding.");
}

function isNameList(outputs: Task["outputs"]): outputs is readonly string[] {
  return Array.isArray(outputs);
}
