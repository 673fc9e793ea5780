/**
 * The column type of what a JSON Schema allows, so that answers become columns by name.
 *
 * Only where the schema is explicit: a part that may be of several types, recursive, or open to further keys by name is
 * JSON. Keys that a schema merely tolerates (no `additionalProperties`) are no part of the type.
 */
import type { ColumnType } from "../rows/row-schema.ts";
import type { JsonSchema } from "../task/task.ts";

/** A struct with the schema's properties; null where its top level is no object with named properties. */
export function structOf(schema: JsonSchema): ColumnType | null {
  const type = typeOf(schema, { root: schema, within: [] });
  return typeof type === "object" && "struct" in type ? type : null;
}

/** The part of a value that its type has room for. The value must fit the schema that the type was made from. */
export function project(type: ColumnType, value: unknown): unknown {
  if (typeof type === "string" || value === null || value === undefined) return value ?? null;
  if ("list" in type) return (value as readonly unknown[]).map((item) => project(type.list, item));
  const object = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.entries(type.struct).map(([name, field]) => [
      name,
      Object.hasOwn(object, name) ? project(field, object[name]) : null,
    ]),
  );
}

interface Surroundings {
  readonly root: JsonSchema;
  /** References that led here. */
  readonly within: readonly string[];
}

function typeOf(schema: unknown, at: Surroundings): ColumnType {
  if (!isSchema(schema)) return "json";
  const { $ref, allOf, anyOf, oneOf, type, enum: values, const: constant } = schema;
  if (typeof $ref === "string") {
    if (at.within.includes($ref)) return "json";
    return typeOf(pointedAt(at.root, $ref), { root: at.root, within: [...at.within, $ref] });
  }
  if (Array.isArray(allOf)) return allOf.length === 1 && type === undefined ? typeOf(allOf[0], at) : "json";
  const branches = anyOf ?? oneOf;
  if (Array.isArray(branches)) {
    if (type !== undefined || values !== undefined) return "json";
    return common(branches.filter((branch) => !isNull(branch)).map((branch) => typeOf(branch, at)));
  }
  if (Array.isArray(values) || constant !== undefined) {
    const listed = Array.isArray(values) ? values : [constant];
    return common(listed.filter((value) => value !== null).map(typeOfValue));
  }
  const names = [type].flat().filter((name) => name !== "null");
  return common(names.map((name) => namedType(name, schema, at)));
}

function namedType(name: unknown, schema: JsonSchema, at: Surroundings): ColumnType {
  switch (name) {
    case "string":
      return "string";
    case "boolean":
      return "bool";
    case "integer":
      return "int64";
    case "number":
      return "float64";
    case "array": {
      const element = schema["prefixItems"] === undefined ? typeOf(schema["items"], at) : "json";
      return element === "json" ? "json" : { list: element };
    }
    case "object":
      return objectType(schema, at);
    default:
      return "json";
  }
}

function objectType(schema: JsonSchema, at: Surroundings): ColumnType {
  const { properties, patternProperties, additionalProperties } = schema;
  const isOpen = patternProperties !== undefined || (additionalProperties ?? false) !== false;
  if (isOpen || !isSchema(properties)) return "json";
  const names = Object.keys(properties);
  if (names.length === 0 || names.includes("__proto__")) return "json";
  return { struct: Object.fromEntries(names.map((name) => [name, typeOf(properties[name], at)])) };
}

function common(types: readonly ColumnType[]): ColumnType {
  const [first = "json", ...others] = types;
  if (others.every((type) => JSON.stringify(type) === JSON.stringify(first))) return first;
  return types.every((type) => type === "int64" || type === "float64") ? "float64" : "json";
}

function typeOfValue(value: unknown): ColumnType {
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return Number.isSafeInteger(value) ? "int64" : "float64";
  return "json";
}

function pointedAt(root: JsonSchema, reference: string): unknown {
  if (!reference.startsWith("#")) return null;
  let found: unknown = root;
  for (const token of decodeURIComponent(reference.slice(1)).split("/").slice(1)) {
    const key = token.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) return null;
    found = (found as Readonly<Record<string, unknown>>)[key];
  }
  // An anchor, or an `$id` that moves the base, is not followed.
  return found === root && reference !== "#" ? null : found;
}

function isNull(schema: unknown): boolean {
  return isSchema(schema) && (schema["type"] === "null" || schema["const"] === null);
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
