/** Which column type a set of values has, and whether a value fits a type; `row-schema.ts` says what each type holds. */
import { parseJsonText } from "./json-text.ts";
import { IMAGE_FIELDS } from "./row-schema.ts";
import type { ColumnType } from "./row-schema.ts";

/** What `fitValue` and `parseText` return for a value that does not fit. */
export const MISFIT: unique symbol = Symbol("misfit");

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

type Kind = "string" | "bool" | "int64" | "wide" | "float64" | "binary" | "timestamp" | "list" | "struct" | "json";

/**
 * The narrowest type that holds all values without loss; nulls are ignored, and nothing but nulls gives "string".
 * Kinds that do not go together, objects of varying keys, and lists whose elements do not unify give "json".
 */
export function inferType(values: Iterable<unknown>): ColumnType {
  const kinds = new Set<Kind>();
  const present: unknown[] = [];
  for (const value of values) {
    if (value === null || value === undefined) continue;
    kinds.add(kindOf(value));
    present.push(value);
  }
  const [kind] = kinds;
  if (kind === undefined) return "string";
  if (kinds.size > 1) return numberType(kinds);
  if (kind === "list") return listType(present as unknown[][]);
  if (kind === "struct") return structType(present as Record<string, unknown>[]);
  return kind === "wide" ? "int64" : kind;
}

function kindOf(value: unknown): Kind {
  switch (typeof value) {
    case "string":
      return "string";
    case "boolean":
      return "bool";
    case "number":
      return Number.isSafeInteger(value) ? "int64" : "float64";
    case "bigint":
      if (value < INT64_MIN || value > INT64_MAX) return "json";
      return Number.isSafeInteger(Number(value)) ? "int64" : "wide";
    default:
      if (Array.isArray(value)) return "list";
      if (value instanceof Date) return "timestamp";
      if (value instanceof Uint8Array) return "binary";
      return isPlainObject(value) ? "struct" : "json";
  }
}

/** The type of several kinds. A bigint beside fractions would lose digits as a float, so those are JSON. */
function numberType(kinds: ReadonlySet<Kind>): ColumnType {
  if (kinds.size === 2 && kinds.has("int64")) {
    if (kinds.has("wide")) return "int64";
    if (kinds.has("float64")) return "float64";
  }
  return "json";
}

function listType(lists: readonly (readonly unknown[])[]): ColumnType {
  const list = inferType(elements(lists));
  return list === "json" ? "json" : { list };
}

function* elements(lists: readonly (readonly unknown[])[]): Iterable<unknown> {
  for (const list of lists) yield* list;
}

function structType(objects: readonly Record<string, unknown>[]): ColumnType {
  const names = Object.keys(objects[0] ?? {});
  const alike = objects.every(
    (object) => Object.keys(object).length === names.length && names.every((name) => Object.hasOwn(object, name)),
  );
  if (!alike || names.length === 0 || names.includes("__proto__")) return "json";
  return { struct: Object.fromEntries(names.map((name) => [name, inferType(objects.map((object) => object[name]))])) };
}

/**
 * The value in the form that `row-schema.ts` describes, or MISFIT.
 *
 * Only what is meant the same way fits: 2.0 an int64, an integer a float64, ISO text a timestamp or date; but no text a
 * number, and no number a text. Keys that a struct lacks become null, further keys do not fit. Bytes alone are an image
 * without a name. Null fits everything.
 */
export function fitValue(type: ColumnType, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (typeof type === "object") return "list" in type ? fitList(type.list, value) : fitStruct(type.struct, value);
  switch (type) {
    case "string":
      return typeof value === "string" ? value : MISFIT;
    case "bool":
      return typeof value === "boolean" ? value : MISFIT;
    case "int32":
      return fitInteger(value, -(2n ** 31n), 2n ** 31n - 1n);
    case "int64":
      return fitInteger(value, INT64_MIN, INT64_MAX);
    case "float32":
    case "float64":
      return typeof value === "number" ? value : typeof value === "bigint" ? Number(value) : MISFIT;
    case "binary":
      return value instanceof Uint8Array ? value : MISFIT;
    case "timestamp":
    case "date":
      return fitTime(type, value);
    case "json":
      return isJson(value) ? value : MISFIT;
    case "image":
      return fitStruct(IMAGE_FIELDS, value instanceof Uint8Array ? { bytes: value } : value);
  }
}

/** A number where it is a safe integer, a bigint beyond. */
function fitInteger(value: unknown, least: bigint, most: bigint): unknown {
  if (typeof value !== "bigint" && !Number.isSafeInteger(value)) return MISFIT;
  const integer = value as number | bigint;
  if (integer < least || integer > most) return MISFIT;
  const number = Number(integer);
  return Number.isSafeInteger(number) ? number : integer;
}

function fitList(element: ColumnType, value: unknown): unknown {
  if (!Array.isArray(value)) return MISFIT;
  const fitted = value.map((item) => fitValue(element, item));
  return fitted.includes(MISFIT) ? MISFIT : fitted;
}

function fitStruct(fields: Readonly<Record<string, ColumnType>>, value: unknown): unknown {
  if (!isPlainObject(value)) return MISFIT;
  for (const name of Object.keys(value)) if (!Object.hasOwn(fields, name)) return MISFIT;
  const fitted: Record<string, unknown> = {};
  for (const [name, type] of Object.entries(fields)) {
    const field = fitValue(type, value[name]);
    if (field === MISFIT) return MISFIT;
    fitted[name] = field;
  }
  return fitted;
}

const isoTime = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2}(?:[.,]\d+)?)?\s?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/;

/** A Date, from a Date or ISO text; text without a zone is in UTC. A date with a time of day is no date. */
function fitTime(type: "timestamp" | "date", value: unknown): unknown {
  const time = value instanceof Date ? value : typeof value === "string" ? parseTime(value) : undefined;
  if (time === undefined || Number.isNaN(time.getTime())) return MISFIT;
  return type === "date" && time.getTime() % 86_400_000 !== 0 ? MISFIT : time;
}

function parseTime(text: string): Date | undefined {
  const [, day, minutes = "00:00", seconds = ":00", zone = "Z"] = isoTime.exec(text) ?? [];
  // Date takes the 30th of February for the 1st of March.
  if (day === undefined || !isCalendarDay(day)) return undefined;
  const offset = zone === "Z" ? zone : `${zone.slice(0, 3)}:${zone.slice(3).replace(":", "") || "00"}`;
  return new Date(`${day}T${minutes}${seconds.replace(",", ".")}${offset}`);
}

function isCalendarDay(day: string): boolean {
  const time = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(day);
}

function isJson(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (value === null || typeof value === "string" || typeof value === "boolean" || typeof value === "bigint")
    return true;
  if (Array.isArray(value)) return value.every(isJson);
  return isPlainObject(value) && Object.values(value).every((item) => item === undefined || isJson(item));
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/**
 * The value that a text field stands for, or MISFIT: numbers, true and false, ISO times, base64 for binary, JSON for
 * lists, structs and json. Empty text is null for everything but a string.
 */
export function parseText(type: ColumnType, text: string): unknown {
  if (type === "string") return text;
  const trimmed = text.trim();
  if (trimmed === "") return null;
  switch (type) {
    case "bool":
      return /^true$/i.test(trimmed) ? true : /^false$/i.test(trimmed) ? false : MISFIT;
    case "int32":
    case "int64":
    case "float32":
    case "float64":
      return parseNumber(type, trimmed);
    case "binary":
      return /^[A-Za-z0-9+/]+={0,2}$/.test(trimmed) && trimmed.length % 4 === 0
        ? new Uint8Array(Buffer.from(trimmed, "base64"))
        : MISFIT;
    case "timestamp":
    case "date":
      return fitTime(type, trimmed);
    default:
      return parseJson(type, trimmed);
  }
}

function parseNumber(type: ColumnType, text: string): unknown {
  if (/^[+-]?\d+$/.test(text)) return fitValue(type, BigInt(text.replace("+", "")));
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return fitValue(type, Number(text));
  const special = /^([+-]?)inf(?:inity)?$/i.exec(text);
  if (special) return fitValue(type, special[1] === "-" ? -Infinity : Infinity);
  return /^nan$/i.test(text) ? fitValue(type, Number.NaN) : MISFIT;
}

function parseJson(type: ColumnType, text: string): unknown {
  try {
    return fitValue(type, parseJsonText(text));
  } catch (error) {
    if (error instanceof SyntaxError) return MISFIT;
    throw error;
  }
}
