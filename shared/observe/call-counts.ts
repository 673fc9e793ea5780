/** Sums and differences of what was counted of calls. */
import { ERROR_CODES, type ErrorClass } from "../errors.ts";
import type { CallCounts } from "./job-report.ts";

const CLASSES = [...new Set<ErrorClass>(Object.values(ERROR_CODES))];
const FIELDS = ["requests", "answers", "cutByLength", "inputTokens", "outputTokens"] as const;

export function emptyCalls(): CallCounts {
  return sumCalls([]);
}

export function sumCalls(all: readonly CallCounts[]): CallCounts {
  return combined((read) => all.reduce((sum, counts) => sum + read(counts), 0));
}

export function lessCalls(counts: CallCounts, before: CallCounts): CallCounts {
  return combined((read) => read(counts) - read(before));
}

function combined(value: (read: (counts: CallCounts) => number) => number): CallCounts {
  const fields = FIELDS.map((field) => [field, value((counts) => counts[field])] as const);
  const retries = CLASSES.map((kind) => [kind, value((counts) => counts.retries[kind])] as const);
  return {
    ...(Object.fromEntries(fields) as Record<(typeof FIELDS)[number], number>),
    retries: Object.fromEntries(retries) as Record<ErrorClass, number>,
  };
}
