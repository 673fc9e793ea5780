/**
 * JSON to and from text without losing digits: an integer beyond 2^53-1 is a bigint in memory, at any depth.
 */
import { parse as parseLossless, stringify as stringifyLossless } from "lossless-json";

/** Sixteen digits or more where a JSON number can stand; inside a text they match as well. */
const maybeWideInteger = /(?:^|[[:,\s-])\d{16,}(?:[\s,}\]]|$)/;

const options = {
  parseNumber: (text: string): number | bigint => {
    const number = Number(text);
    return Number.isSafeInteger(number) || !/^-?\d+$/.test(text) ? number : BigInt(text);
  },
  // As JSON.parse does: the last one counts.
  onDuplicateKey: ({ newValue }: { newValue: unknown }): unknown => newValue,
};

/** Parses JSON as `JSON.parse` does, but for integers beyond 2^53-1, which become bigints. Throws a SyntaxError. */
export function parseJsonText(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return maybeWideInteger.test(text) && hasWideNumber(value) ? parseLossless(text, null, options) : value;
}

function hasWideNumber(value: unknown): boolean {
  if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value);
  return typeof value === "object" && value !== null && Object.values(value).some(hasWideNumber);
}

/** The JSON text of a value of type `json`, whose integers may be bigints. */
export function toJsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "null";
  } catch (error) {
    const text = error instanceof TypeError ? stringifyLossless(value) : undefined;
    if (text === undefined) throw error;
    return text;
  }
}
