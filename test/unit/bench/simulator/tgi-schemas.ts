/**
 * TGI's published schemas (generated from its OpenAPI document, shipped by @huggingface/tasks) as ajv validators.
 *
 * OpenAPI's `nullable` beside `allOf` is no JSON Schema: it is rewritten to `anyOf` with null.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Ajv } from "ajv";
import type { ValidateFunction } from "ajv";
import formats from "ajv-formats";

const root = dirname(createRequire(import.meta.url).resolve("@huggingface/tasks/package.json"));
const ajv = new Ajv({ strict: false, allErrors: true });
formats.default(ajv);

export type TgiSchema = `${"chat-completion" | "text-generation"}/${"input" | "output" | "stream_output"}`;

/** Fails with the schema's complaints unless the value fits; gives the value back. */
export function assertFits<T>(schema: TgiSchema | Record<string, unknown>, value: T): T {
  const validate = typeof schema === "string" ? published(schema) : ajv.compile(schema);
  assert.ok(validate(value), `${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`);
  return value;
}

const compiled = new Map<TgiSchema, ValidateFunction>();

function published(name: TgiSchema): ValidateFunction {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const [task, file] = name.split("/") as [string, string];
  const { $schema: _draft06, ...schema } = JSON.parse(
    readFileSync(join(root, "src/tasks", task, "spec", `${file}.json`), "utf8"),
  ) as Record<string, unknown>;
  const validate = ajv.compile(withoutNullable(schema) as Record<string, unknown>);
  compiled.set(name, validate);
  return validate;
}

function withoutNullable(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutNullable);
  if (typeof node !== "object" || node === null) return node;
  const entries = Object.entries(node).map(([key, value]) => [key, withoutNullable(value)] as const);
  const { nullable, ...schema } = Object.fromEntries(entries) as Record<string, unknown>;
  return nullable === true ? { anyOf: [schema, { type: "null" }] } : schema;
}
