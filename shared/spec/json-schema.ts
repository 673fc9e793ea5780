/** The job spec as JSON Schema (draft 2020-12): for editors, and for the words of our own error messages. */
import { z } from "zod";
import { JobSpec } from "./job-spec.ts";
import type { KeyPath } from "./spec-problem.ts";

export interface JsonSchema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly [keyword: string]: unknown;
}

/**
 * The schema of what a user may write: defaults are not required, unknown keys are refused. It knows references in
 * texts only: an editor marks `slots: "${SLOTS}"`, which the loader takes.
 */
export function jobSpecJsonSchema(): JsonSchema {
  return z.toJSONSchema(JobSpec, {
    io: "input",
    target: "draft-2020-12",
    override: ({ jsonSchema }) => {
      // A URL may hold a reference, and is then none yet.
      if (jsonSchema.format === "uri") delete jsonSchema.format;
    },
  }) as JsonSchema;
}

/** The schema of one key, or null where the path leads nowhere. */
export function schemaAt(root: JsonSchema, path: KeyPath): JsonSchema | null {
  let found: JsonSchema | null = root;
  for (const key of path) {
    if (found === null) return null;
    found = childOf(root, found, key);
  }
  return found;
}

function childOf(root: JsonSchema, parent: JsonSchema, key: string | number): JsonSchema | null {
  const schema = parent.$ref === undefined ? parent : root.$defs?.[parent.$ref.replace("#/$defs/", "")];
  if (schema === undefined) return null;
  for (const branch of schema.anyOf ?? []) {
    const child = childOf(root, branch, key);
    if (child !== null) return child;
  }
  if (typeof key === "number") return schema.items ?? null;
  const property =
    schema.properties !== undefined && Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
  if (property !== undefined) return property;
  return typeof schema.additionalProperties === "object" ? schema.additionalProperties : null;
}

/** Every key of the spec and where it stands: `slots` at `steps.0.llm.slots`. */
export function keyPlaces(root: JsonSchema): Map<string, string[]> {
  const places = new Map<string, string[]>();
  function visit(schema: JsonSchema, path: string): void {
    for (const [key, child] of Object.entries(schema.properties ?? {})) {
      places.set(key, [...(places.get(key) ?? []), `${path}${key}`]);
      visit(child, `${path}${key}.`);
    }
    if (schema.items !== undefined) visit(schema.items, `${path}0.`);
  }
  visit(root, "");
  return places;
}
