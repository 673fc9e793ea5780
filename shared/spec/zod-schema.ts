/**
 * Zod schemas in a spec that is a program, turned into JSON Schema when the spec is loaded: so they travel to workers and
 * count in the fingerprint. What zod checks by code alone (refinements, transforms) would be lost on the way, and is
 * refused.
 */
import { z } from "zod";
import { messageOf } from "../errors.ts";
import type { JsonSchema } from "../task/task.ts";
import { keyName, valueAt, withValueAt } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";

/** A schema of zod 4, from whichever copy of it. */
export interface ZodSchema {
  readonly _zod: unknown;
}

/** Looks where a schema may stand: each step's `llm.structured_output.schema`. */
export function withoutZodSchemas(spec: unknown): { readonly value: unknown; readonly problems: SpecProblem[] } {
  const problems: SpecProblem[] = [];
  const steps = valueAt(spec, ["steps"]);
  let value = spec;
  for (const index of Array.isArray(steps) ? steps.keys() : []) {
    const path = ["steps", index, "llm", "structured_output", "schema"];
    const schema = valueAt(spec, path);
    if (!isZodLike(schema)) continue;
    const converted = "_zod" in schema ? jsonSchemaOf(schema) : "is of zod 3.";
    if (typeof converted === "string") problems.push(refusal(path, converted));
    else value = withValueAt(value, path, converted);
  }
  return { value, problems };
}

/** The JSON Schema, or a clause that says why there is none. */
function jsonSchemaOf(schema: ZodSchema): JsonSchema | string {
  let lost: string | null = null;
  try {
    const { $schema: _, ...converted } = z.toJSONSchema(schema as unknown as z.ZodType, {
      target: "draft-2020-12",
      override: ({ zodSchema }) => {
        const { checks = [] } = zodSchema._zod.def;
        if (checks.some((check) => check._zod.def.check === "custom")) lost = "holds a refinement, which is code.";
      },
    });
    return lost ?? converted;
  } catch (error) {
    return `cannot be written as JSON Schema: ${messageOf(error).replace(/\.$/, "")}.`;
  }
}

function refusal(path: KeyPath, clause: string): SpecProblem {
  return {
    path,
    what: `\`${keyName(path)}\`: the zod schema ${clause}`,
    mend: "Give a schema of zod 4 without transforms and refinements, or a JSON Schema.",
  };
}

function isZodLike(value: unknown): value is ZodSchema {
  return typeof value === "object" && value !== null && ("_zod" in value || ("_def" in value && "parse" in value));
}
