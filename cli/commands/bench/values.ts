/** How the values of `tiding bench`'s options are written. Each throws commander's `InvalidArgumentError`. */
import { InvalidArgumentError } from "commander";
import type { SloLimits } from "../../../bench/report/bench-report.ts";

/** `1,8,64`: whole numbers above 0, each once. */
export function wholeNumbers(text: string): number[] {
  return numbers(text, (number) => Number.isSafeInteger(number), "whole numbers above 0, such as 1,8,64");
}

/** `0.5,2,4`: numbers above 0, each once. */
export function rates(text: string): number[] {
  return numbers(text, () => true, "rates in requests a second, such as 0.5,2,4");
}

function numbers(text: string, fits: (number: number) => boolean, expected: string): number[] {
  const all = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (!all.every((number) => Number.isFinite(number) && number > 0 && fits(number))) {
    throw new InvalidArgumentError(`Expected ${expected}.`);
  }
  if (new Set(all).size < all.length) throw new InvalidArgumentError("Expected each number once.");
  return all;
}

export function seconds(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !(number >= 0) || number === Infinity)
    throw new InvalidArgumentError("Expected seconds, such as 30 or 2.5.");
  return number;
}

/** `seconds`, and not 0. */
export function someSeconds(text: string): number {
  const number = seconds(text);
  if (number === 0) throw new InvalidArgumentError("Expected more than 0 seconds.");
  return number;
}

export interface Length {
  readonly mean: number;
  readonly std?: number;
  readonly min?: number;
  readonly max?: number;
}

/** `200` or `200,50,10,400`: mean, standard deviation, least and most tokens. */
export function length(text: string): Length {
  const parts = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const [mean = Number.NaN, std, min, max] = parts;
  const isWhole = (number: number | undefined): boolean =>
    number === undefined || (Number.isSafeInteger(number) && number > 0);
  const fits = mean > 0 && (std === undefined || std >= 0) && isWhole(min) && isWhole(max) && parts.length <= 4;
  const inOrder = (min ?? 1) <= mean && mean <= (max ?? Infinity);
  if (!fits || !inOrder) {
    throw new InvalidArgumentError("Expected tokens as mean, or as mean,std,min,max: 200 or 200,50,10,400.");
  }
  return {
    mean,
    ...(std === undefined ? {} : { std }),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
  };
}

const SLO_KEYS = { ttft: "ttft_ms", tpot: "tpot_ms", e2e: "e2e_ms", attainment: "attainment" } as const;

/** `ttft=500,tpot=50,attainment=0.99`: limits in milliseconds, and the share of requests that must meet all of them. */
export function slo(text: string): SloLimits {
  const limits: { -readonly [Key in keyof SloLimits]: SloLimits[Key] } = { attainment: 0.99 };
  for (const part of text.split(",")) {
    const [name = "", value = ""] = part.split("=", 2).map((word) => word.trim());
    const key = Object.hasOwn(SLO_KEYS, name) ? SLO_KEYS[name as keyof typeof SLO_KEYS] : null;
    const number = Number(value);
    if (key === null || value === "" || !(number > 0) || (key === "attainment" && number > 1) || number === Infinity) {
      throw new InvalidArgumentError(
        "Expected limits in ms and a share, such as ttft=500,tpot=50,e2e=9000,attainment=0.99.",
      );
    }
    limits[key] = number;
  }
  if (Object.keys(limits).length === 1) {
    throw new InvalidArgumentError("Expected a limit beside the attainment: ttft, tpot or e2e.");
  }
  return limits;
}

export interface SharedPrefix {
  readonly tokens: number;
  readonly groups?: number;
  readonly share?: number;
}

/** `1000`, `1000,4` or `1000,4,0.8`: tokens, groups with a text of their own, share of the prompts that begin so. */
export function sharedPrefix(text: string): SharedPrefix {
  const parts = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const [tokens = Number.NaN, groups = 1, share = 1] = parts;
  const areWhole = [tokens, groups].every((number) => Number.isSafeInteger(number) && number > 0);
  if (!areWhole || !(share > 0 && share <= 1) || parts.length > 3) {
    throw new InvalidArgumentError("Expected tokens, groups and share, such as 1000 or 1000,4,0.8.");
  }
  return { tokens, groups, share };
}

/** Adds `Name: value` to those before it. */
export function header(text: string, earlier: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name, value] = /^\s*([!#$%&'*+.^_`|~\w-]+)\s*:\s*(.*?)\s*$/.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError("Expected a header such as 'X-Team: research'.");
  return { ...earlier, [name]: value };
}

/** Adds `key=value` to those before it; the value is read as JSON where it is some, and is a text otherwise. */
export function generationSetting(
  text: string,
  earlier: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Expected key=value, such as temperature=0.7.");
  return { ...earlier, [text.slice(0, at)]: jsonOrText(text.slice(at + 1)) };
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
