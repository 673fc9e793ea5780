import type { Command } from "commander";
import { InvalidArgumentError } from "commander";

/** Adds `--set`, which may be given again and again. Its value stays a text: the spec's loader reads it. */
export function addSetOption(command: Command, what = "change a key of the spec for this run"): Command {
  return command.option("-s, --set <key=value>", `${what}, e.g. steps.0.llm.slots=128; repeatable`, collect);
}

function collect(value: string, earlier: readonly string[] = []): string[] {
  if (value.indexOf("=") < 1) throw new InvalidArgumentError("Expected key=value, such as run.seed=7.");
  return [...earlier, value];
}

export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw new InvalidArgumentError("Expected a whole number.");
  return number;
}

export function positiveNumber(text: string): number {
  const number = wholeNumber(text);
  if (number === 0) throw new InvalidArgumentError("Expected a whole number above 0.");
  return number;
}

export function fraction(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !(number >= 0 && number <= 1))
    throw new InvalidArgumentError("Expected a share from 0 to 1.");
  return number;
}

const durationUnits = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `15m`, `2h`, `1d`; in milliseconds. */
export function duration(text: string): number {
  const match = /^(\d+)([smhd])$/.exec(text);
  if (match === null) throw new InvalidArgumentError("Expected a duration such as 90s, 15m or 2h.");
  return Number(match[1]) * durationUnits[match[2] as keyof typeof durationUnits];
}
