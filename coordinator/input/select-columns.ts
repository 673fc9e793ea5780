/** Which of the input's columns a job takes, and under which names. */
import { TidingError } from "../../shared/errors.ts";
import type { InputSpec } from "../../shared/spec/job-spec.ts";

export interface SelectedColumn {
  readonly name: string;
  /** The input's name for it. */
  readonly from: string;
}

/** The columns that `input.columns` asks for; all when it is absent. Throws COLUMN_COLLISION for one asked for twice. */
export function selectColumns(columns: InputSpec["columns"], available: readonly string[]): readonly SelectedColumn[] {
  if (columns === undefined) return available.map((name) => ({ name, from: name }));
  if (!Array.isArray(columns)) return Object.entries(columns).map(([name, from]) => ({ name, from }));
  const twice = columns.find((name, index) => columns.indexOf(name) !== index);
  if (twice === undefined) return columns.map((name) => ({ name, from: name }));
  throw new TidingError("COLUMN_COLLISION", `Column "${twice}" is named twice.`, {
    place: "input.columns",
    mend: "Name each column once; to have one twice, write a map of new name: input's name.",
  });
}

/** Throws COLUMN_MISSING for the first of `names` that the input does not have; `place` is the key that names it. */
export function requireColumns(names: Iterable<string>, available: readonly string[], place: string): void {
  for (const name of names) {
    if (available.includes(name)) continue;
    const nearest = nearestName(name, available);
    const listed = available.length > 30 ? [...available.slice(0, 30), "others"] : available;
    throw new TidingError("COLUMN_MISSING", `The input has no column "${name}"; it has ${listed.join(", ")}.`, {
      place,
      mend: nearest === undefined ? "Name one of the input's columns." : `Did you mean "${nearest}"?`,
    });
  }
}

/** The name that takes the fewest changes, when that is few for its length. */
function nearestName(name: string, available: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Math.ceil(name.length / 2) + 1;
  for (const candidate of available) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
