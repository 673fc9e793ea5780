/** What every benchmark prints last: one figure, what it should be, and all that it was made of. */
import { cpus, release } from "node:os";
import { parseArgs } from "node:util";

export interface Figure {
  readonly figure: string;
  readonly value: number;
  readonly want: string;
  readonly ok: boolean;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Prints the figure as the last line of standard output, and sets the exit code: 0 when it is as wanted, 1 when not. */
export function printFigure({ details, ...figure }: Figure): void {
  const machine = {
    node: process.version,
    kernel: release(),
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? "unknown",
  };
  process.stdout.write(`${JSON.stringify({ ...figure, details: { ...details, machine } })}\n`);
  process.exitCode = figure.ok ? 0 : 1;
}

/** Sizes from flags, `--rows 5000`, in place of the official ones. Throws a TypeError for any other flag. */
export function sizesFrom<Name extends string>(
  official: Readonly<Record<Name, number>>,
): Readonly<Record<Name, number>> {
  const names = Object.keys(official);
  const { values } = parseArgs({
    options: Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
  });
  return { ...official, ...Object.fromEntries(Object.entries(values).map(([name, text]) => [name, Number(text)])) };
}

export function tell(progress: string): void {
  process.stderr.write(`${progress}\n`);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function rounded(value: number, digits = 3): number {
  return Number(value.toFixed(digits));
}
