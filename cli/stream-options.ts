import { InvalidArgumentError, type Command } from "commander";
import type { ProvisionOptions } from "../jobs/open-broker.ts";
import { brokerOption } from "./broker-options.ts";
import { positiveNumber } from "./options.ts";

export interface StreamFlags {
  /** Bytes. */
  readonly inputsBudget?: number;
  /** Bytes. */
  readonly resultsBudget?: number;
  readonly replicas?: number;
}

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};
/** Twice the largest blob: one that never fits would be waited for for ever. */
const LEAST_BUDGET_BYTES = 16 * 2 ** 20;

/** Adds what a broker's streams are to have, for a command that sets the broker up. */
export function addStreamOptions(command: Command): Command {
  const inputs = `most bytes of rows on their way to workers; ${asItIs("256MiB")}`;
  const results = `most bytes of answers that have not landed; ${asItIs("1GiB")}`;
  const replicas = `copies of what the broker holds, in a cluster; ${asItIs("1")}`;
  return command
    .addOption(brokerOption("--inputs-budget <size>", inputs).argParser(budget))
    .addOption(brokerOption("--results-budget <size>", results).argParser(budget))
    .addOption(brokerOption("--replicas <copies>", replicas).argParser(positiveNumber));
}

function asItIs(first: string): string {
  return `left as it is if absent, ${first} on a new broker`;
}

/** Null where no flag was given. */
export function streamSettings(flags: StreamFlags): NonNullable<ProvisionOptions["streams"]> | null {
  const { inputsBudget, resultsBudget, replicas } = flags;
  const settings = {
    ...(inputsBudget === undefined ? {} : { inputsBudgetBytes: inputsBudget }),
    ...(resultsBudget === undefined ? {} : { resultsBudgetBytes: resultsBudget }),
    ...(replicas === undefined ? {} : { replicas }),
  };
  return Object.keys(settings).length === 0 ? null : settings;
}

function budget(text: string): number {
  const [, digits, unit = "b"] = /^(\d+(?:\.\d+)?) ?([kmgt]?i?b)?$/i.exec(text) ?? [];
  const bytes = Math.round(Number(digits) * (UNITS[unit.toLowerCase()] ?? NaN));
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError("Expected a size, such as 512MiB or 2GiB.");
  if (bytes < LEAST_BUDGET_BYTES) throw new InvalidArgumentError("Expected at least 16MiB.");
  return bytes;
}
